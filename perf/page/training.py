"""Sections on the training of networks: the small networks, the architecture search."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from brainbench import plot
from brainbench.training.trained_files import read_record
from page.tables import (
    FOLDERS,
    ROOT,
    SHARED,
    figure,
    import_sets,
    measured,
    run,
    scores_by_benchmark,
    table,
)

SMALL = (
    "convrnn_small",
    "convrnn_small_nofeedback",
    "ff_small_operations",
    "ff_small_parameters",
    "cornet_rt_small",
)
OF_SEEDS = SMALL[:-1]
SEEDS = range(5)
ALL_SEEDS = (
    "Cowley2023.V4-pls,Cowley2023.V4-ccnorm2,Cowley2023.V4-ridge,Kriegeskorte2008.IT-rsa,"
    "Cichy2014.EVC-rsa,Cichy2014.IT-rsa"
)
FIRST_SEED = (
    f"{ALL_SEEDS},Cowley2023.V4-ccnorm,Henaff2021.V1-pls,Henaff2021.V1-ridge,Henaff2021.V1-ccnorm2,"
    "Geirhos2019*"
)


def small_networks(folder: Path) -> list[str]:
    """Train the small networks, score them, and compare recurrent ones with their controls over seeds."""
    images = SHARED / "cifar10_test_and_10h"
    run(
        folder,
        "python",
        "perf/small_networks.py",
        *("--images", str(images / "cifar10_test_jpg.zip")),
        *("--labels", str(images / "test_labels.npy")),
        *("-o", str(folder / "small"), "--pack", str(folder / "packed")),
    )
    import_sets(folder, FOLDERS)
    results = str(folder / "results")
    for seed in SEEDS:
        files = [folder / "packed" / f"{name}@cifar10-{seed}.safetensors" for name in SMALL]
        models = ",".join(str(file) for file in files if file.exists())
        benchmarks = ALL_SEEDS if seed else FIRST_SEED
        run(
            folder,
            "brainbench",
            "score",
            "-m",
            models,
            "-b",
            benchmarks,
            "-o",
            results,
            may_miss=True,
        )
    return small_networks_section(folder, Path(results), folder / "packed")


def small_networks_section(folder: Path, results: Path, packed: Path) -> list[str]:
    """Return the section of the scores in a results folder, and of the accuracies in trained files."""
    firsts = ",".join(f"{name}@cifar10-0" for name in SMALL)
    command = ("brainbench", "score", "-m", firsts, "-b", FIRST_SEED, "--format", "json")
    text, _ = run(folder, *command, "-o", str(results), may_miss=True)
    over = [f"{name}@cifar10-{SEEDS[0]}..{SEEDS[-1]}" for name in OF_SEEDS]
    compared, _ = run(
        folder, "brainbench", "compare", *over, "-b", ALL_SEEDS, "-o", str(results), may_miss=True
    )
    return [
        "## Small networks trained on CIFAR-10",
        "",
        "Trained by `perf/small_networks.py` on 8,000 of CIFAR-10's 10,000 test images, as in "
        "docs/training.md; accuracy on the other 2,000. Weak classifiers: they are for the comparison of "
        "recurrent networks with feed-forward controls of as many multiply-adds (`ff_small_operations`) and "
        "as many parameters (`ff_small_parameters`).",
        "",
        *table(
            ("network", "held-out top-1, each seed", "mean", "SD over seeds"), _accuracies(packed)
        ),
        f"`brainbench score -m {firsts} -b '{FIRST_SEED}'`, protocol paper:",
        "",
        *scores_by_benchmark(json.loads(text)),
        f"`brainbench compare {' '.join(over)} -b '{ALL_SEEDS}'`; each is the mean over its seeds, which are "
        "random:",
        "",
        "```",
        *compared.rstrip().splitlines(),
        "```",
        "",
    ]


def _draw_accuracies(packed: Path) -> Path:
    """Draw the accuracies of the first seed, as figure 4c of Nayebi et al. 2018."""
    records = [read_record(packed / f"{name}@cifar10-{SEEDS[0]}.safetensors") for name in SMALL]
    rows = [
        {**record.figures["top1"], "parameters": record.figures["parameters"]} for record in records
    ]
    picture = ROOT / "docs" / "small_networks.png"
    axes = plot.trained_accuracies(pd.DataFrame(rows, index=list(SMALL)))
    axes.figure.savefig(picture, dpi=150)
    return picture


def _accuracies(packed: Path) -> list[tuple[str, ...]]:
    rows = []
    for name in SMALL:
        files = sorted(packed.glob(f"{name}@cifar10-*.safetensors"))
        values = [read_record(file).figures["top1"]["value"] for file in files]
        sd = f"{np.std(values, ddof=1):.4f}" if len(values) > 1 else "one seed"
        each = " ".join(figure(value, 4) for value in values)
        rows.append((name, each, figure(float(np.mean(values)), 4), sd))
    return rows


def search(folder: Path) -> list[str]:
    """Tabulate an architecture search on images of CIFAR-10."""
    picture = ROOT / "docs" / "search.png"
    report = measured(folder, "search", "-o", "searched", "--figure", str(picture))
    facts = {
        key: figure(value) if isinstance(value, float) else value
        for key, value in report["facts"].items()
    }
    gains = [
        (
            row["connection"].removeprefix("feedback "),
            f"{figure(row['gain'])} [{figure(row['low'])}, {figure(row['high'])}]",
            row["n_with"],
            row["n_without"],
        )
        for row in report["gains"]
    ]
    return [
        "## An architecture search",
        "",
        "`python perf/search.py`: the small space of docs/training.md on 4,000 test images of CIFAR-10, 2 "
        "epochs a trial; 2,000 others decide. Both are among the 8,000 on which the small networks are "
        "trained. The best of many trials on the same images is optimistic; gains describe the trials of a "
        "search, which TPE has chosen, and are no effects. "
        f"Aim: at most {report['seconds_at_most']:g} s a trial; seconds are by the wall, whatever else ran.",
        "",
        *table(("", ""), list(facts.items())),
        *table(("feedback", "gain in median top-1, 95 %", "trials with", "without"), gains),
        "![Accuracy over trials and parameters, feedback, and the best cell](search.png)",
        "",
    ]
