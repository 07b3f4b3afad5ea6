"""Measure everything again and write docs/results.md. Run it with `make results` on an idle machine.

Each section runs one command that anybody can run, and tabulates what it wrote.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "results.md"
REGIONS = ("V1", "V2", "V4", "IT")
MODELS = "cornet_s@untrained-0,pixels,simulated_maps,simulated_population,simulated_readout"


def run(folder: Path, *command: str, may_miss: bool = False) -> tuple[str, str]:
    """Run a command of the environment with a cache of its own; stdout and stderr.

    With `may_miss` it may end with 1, as perf scripts do when an aim is missed: the page shows it.
    """
    env = {**os.environ, "BRAINBENCH_CACHE": str(folder / "cache")}
    program = Path(sys.executable).parent / command[0]
    print("$", " ".join(command), file=sys.stderr, flush=True)
    done = subprocess.run(
        [str(program), *command[1:]], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    if done.returncode not in ((0, 1) if may_miss else (0,)):
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}{done.stdout}")
    return done.stdout, done.stderr


def measured(folder: Path, script: str, *options: str) -> dict[str, Any]:
    """Figures that a perf script writes with --json."""
    path = folder / f"{script}.json"
    run(folder, "python", f"perf/{script}.py", *options, "--json", str(path), may_miss=True)
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return [*lines, *("| " + " | ".join(str(cell) for cell in row) + " |" for row in rows), ""]


def figure(value: float | None, digits: int = 3) -> str:
    """Number with so many decimals; empty for none."""
    return "" if value is None else f"{value:.{digits}f}"


def main_command(folder: Path) -> list[str]:
    """The command of `make score`, first with an empty cache, then with a full one."""
    command = "brainbench score --model cornet_s --benchmark all --weights untrained"
    results = ("-o", str(folder / "results"))
    _, first = run(folder, *command.split(), *results)
    _, again = run(folder, *command.split(), *results)
    _, redone = run(folder, *command.split(), *results, "--overwrite", "always")
    began = time.perf_counter()
    run(folder, "brainbench", "--help")
    seconds = time.perf_counter() - began
    rows = [
        ("`brainbench --help`", f"{seconds:.2f} s"),
        ("first run, nothing cached", cost(first)),
        ("again: scores are stored", cost(again)),
        ("again with `--overwrite always`: activations are cached", cost(redone)),
    ]
    return ["## The main command", "", f"`{command}`", "", *table(("run", "cost"), rows)]


def cost(stderr: str) -> str:
    """Last line of a run: time inside the network, everything else, memory."""
    return [line for line in stderr.splitlines() if "peak memory" in line][-1]


def simulated(folder: Path) -> list[str]:
    """Scores of every bundled model on the simulated brain, both protocols."""
    lines = [
        "## Scores on the simulated brain",
        "",
        "No animal was recorded, and the weights of `cornet_s@untrained-0` are seeded random numbers.",
        "Cells: value, 95 % interval in brackets. c is the split-half reliability of the sites, the most",
        "that a noise-free model reaches is sqrt(c); `simulated_readout` is that model.",
        "",
    ]
    for protocol, formula in (("paper", "raw r"), ("brainscore", "r2/c")):
        command = f"brainbench score -m {MODELS} -b Simulated.* --protocol {protocol} --format json"
        text, _ = run(folder, *command.split(), "-o", str(folder / "results"))
        scores = json.loads(text)
        lines += [f"### Protocol {protocol}: {formula}", "", f"`{command}`", ""]
        lines += score_table(scores)
    return lines


def score_table(scores: Sequence[dict[str, Any]]) -> list[str]:
    """One row per model, one column per region, the ceilings below."""
    cells = {(s["model"], s["benchmark"].split(".")[1].split("-")[0]): s for s in scores}
    models = list(dict.fromkeys(s["model"] for s in scores))
    rows = [[model, *(cell(cells[model, region]) for region in REGIONS)] for model in models]
    first = [cells[models[0], region] for region in REGIONS]
    c = [s["ceiling"] for s in first]
    rows.append(["*c*", *(figure(x) for x in c)])
    rows.append(["*sqrt(c)*", *(figure(x**0.5) for x in c)])
    rows.append(["*sites*", *(str(s["n_units"]) for s in first)])
    return table(("model", *REGIONS), rows)


def cell(score: dict[str, Any]) -> str:
    """Value and interval."""
    low, high = score["ci"]
    return f"{figure(score['value'])} [{figure(low)}, {figure(high)}]"


def pls(folder: Path) -> list[str]:
    """Speed of PLS."""
    found = measured(folder, "pls")
    rows = [
        (
            r["what"],
            f"{r['ours_s']:.2f} s",
            f"{r['reference_s']:.0f} s ({r['reference']})",
            f"{r['ratio']:.0f}",
            f"{r['ratio_at_least']:.0f}",
            f"{r['gram_s']:.2f} s",
            f"{r['ours_over_gram']:.1f}",
            f"{r['difference']:.1e}",
        )
        for r in found["rows"]
    ]
    columns = (
        "PLS, 10 splits, 25 components",
        "brainbench",
        "scikit-learn",
        "ratio",
        "at least",
        "bare Gram product",
        "brainbench / Gram",
        "difference",
    )
    return [
        "## Speed of PLS",
        "",
        f"`python perf/pls.py`, {found['threads']} threads for both, load at the start "
        f"{found['load_at_start']:.2f}; 2,560 images, 168 sites.",
        "",
        *table(columns, rows),
        *(f"- {name}: {seconds:.2f} s" for name, seconds in found["seconds"].items()),
        "",
    ]


def extraction(folder: Path) -> list[str]:
    """Cost of reading all areas and steps."""
    return figures(
        folder,
        "extract",
        "## Cost of extraction",
        "all areas and steps of CORnet-S, files and hashes included, beside the bare forward passes over "
        "the same images in the same process.",
    )


def memory(folder: Path) -> list[str]:
    """Peak memory with a layer of 400,000 features."""
    return figures(
        folder,
        "memory",
        "## Memory",
        "extraction, Gram matrix, PLS2 and PLS1 (10 splits, 25 components) of one very large layer, in "
        "one process.",
    )


def figures(folder: Path, script: str, title: str, what: str) -> list[str]:
    """A section with one row per figure of a perf script."""
    found = measured(folder, script)
    rows = [(name.replace("_", " "), f"{value:.5g}") for name, value in found.items()]
    return [title, "", f"`python perf/{script}.py`: {what}", "", *table(("", ""), rows)]


def precision(folder: Path) -> list[str]:
    """What bfloat16 changes, and why float32 stays the default."""
    found = measured(folder, "precision")
    rows = [
        (
            r["benchmark"],
            figure(r["float32"], 4),
            figure(r["bf16"], 4),
            "" if r["change"] is None else f"{r['change']:+.4f}",
            "" if r["ci"] is None else f"{r['ci'][0]:.3f} to {r['ci'][1]:.3f}",
        )
        for r in found["rows"]
    ]
    largest = max(abs(r["change"]) for r in found["rows"] if r["change"] is not None)
    speed = found["forward"]
    return [
        "## Precision",
        "",
        f"`python perf/precision.py`: `{found['model']}` (seeded random weights) on the simulated brain with "
        "`--precision float32` and `bf16`.",
        "",
        *table(("benchmark", "float32", "bf16", "change", "95 % interval, float32"), rows),
        f"Here the network answers {speed['float32']['images_per_second']:.1f} images/s in float32 and "
        f"{speed['bf16']['images_per_second']:.1f} in bf16, {found['ratio']:.2f} times as many. The "
        f"largest change of a score is {largest:.4f}. float32 is the default: figures are compared across "
        "machines to more digits than bfloat16 keeps, not every processor has bfloat16, and the passes "
        "are made once and cached. A model in bf16 has `+bf16` in its name.",
        "",
    ]


def foreseen(folder: Path) -> list[str]:
    """What a dry run foresees beside what a run takes."""
    found = measured(folder, "estimate")
    rows = [
        (
            f"`{r['command']}`",
            *(
                f"{r['expected'][key]:.2f} / {r['actual'][key]:.2f} = {r['ratio'][key]:.2f}"
                for key in ("seconds", "memory_gb", "disk_gb")
            ),
        )
        for r in found["rows"]
    ]
    return [
        "## What `--dry-run` foresees",
        "",
        f"`python perf/estimate.py`: foreseen / taken, for time, memory and disk; the aim is a factor of "
        f"{found['aim']:g} either way.",
        "",
        *table(("`brainbench score ...`", "seconds", "GB of memory", "GB in the cache"), rows),
    ]


def difficulty(folder: Path) -> list[str]:
    """How hard the simulated objects are to recognise."""
    found = measured(folder, "difficulty")
    rows = [(name, figure(value)) for name, value in found.items()]
    return [
        "## How hard recognition is on the simulated scenes",
        "",
        "`python perf/difficulty.py`: accuracy of cross-validated multinomial logistic regression over the",
        "8 objects, chance .125; its penalty is chosen inside the training images.",
        "",
        *table(("read from", "accuracy"), rows),
        "![The simulated scenes](contact_sheet.png)",
        "",
    ]


def curve(folder: Path) -> list[str]:
    """Score against number of images."""
    found = measured(folder, "curve", "--figure", str(ROOT / "docs" / "curve.png"))
    columns = ("region", "model", *(f"{n} images" for n in found["images"]))
    rows = [(r["region"], r["model"], *(figure(v) for v in r["share"])) for r in found["rows"]]
    return [
        "## How many images a score needs",
        "",
        f"`python perf/curve.py`: {found['what']}",
        "",
        *table(columns, rows),
        "![Score against number of images](curve.png)",
        "",
    ]


def real_v4(folder: Path) -> list[str]:
    """Networks on macaque V4, session by session, with layer curves."""
    figure_file = ROOT / "docs" / "layers_v4.png"
    found = measured(folder, "real_v4", "--figure", str(figure_file))
    sessions = [one["session"] for one in found["rows"][0]["sessions"]]
    rows = [
        (r["label"], *(figure(one["raw"]) for one in r["sessions"]), cell(r), str(r["n_units"]))
        for r in found["rows"]
    ]
    rows += [
        (f"*{name}, simpler*", *(figure(values[one], 2) for one in sessions), "", "")
        for name, values in found["simpler"].items()
    ]
    c = [figure(one["ceiling"]) for one in found["rows"][0]["sessions"]]
    rows.append(("*c*", *(text or "no single trials" for text in c), "", ""))
    alone = [(r["label"], cell(r), str(r["n_stimuli"])) for r in found["one"]]
    null = found["null"]
    ceiled = ", ".join(f"{name} {cell(r)}" for name, r in found["brainscore"].items())
    return [
        "## Macaque V4: Cowley2023",
        "",
        "`python perf/real_v4.py`, protocol paper: median over neurons of the mean r over ten folds, 95 % "
        "interval in brackets. *Simpler* is an analysis without this program (PCA to 200, ridge, one 80/20 "
        "split). Only session 210325 has single trials, so only it has a ceiling; sqrt(c) is the most that a "
        "noise-free model reaches there.",
        "",
        *table(("model", *sessions, "all sessions", "neurons"), rows),
        "Session 210325 alone; the weights of `cornet_s@untrained-0` are seeded random numbers.",
        "",
        *table(("model", "r", "images"), alone),
        f"Images shuffled over the whole set, EfficientNet-Lite0 block 10 on 210325: {null['mean']:.3f} "
        f"(SD {null['sd']:.3f}, {null['n_draws']} shuffles, p = {null['p']:.3g}).",
        "",
        f"Protocol brainscore, r2/c over the 50 neurons of 210325: {ceiled}.",
        "",
        "Score of each block inside the training images, by which the choice is made fold by fold; the band "
        "is the standard deviation over the ten splits:",
        "",
        "![Score of each block](layers_v4.png)",
        "",
    ]


SECTIONS: tuple[Callable[[Path], list[str]], ...] = (
    main_command,
    simulated,
    real_v4,
    pls,
    extraction,
    memory,
    foreseen,
    precision,
    difficulty,
    curve,
)


def head() -> list[str]:
    """When, on what, with which versions."""
    versions = ", ".join(
        f"{name} {metadata.version(name)}"
        for name in ("brainbench", "torch", "numpy", "scipy", "scikit-learn")
    )
    return [
        "# Results",
        "",
        f"Written by `make results` on {datetime.datetime.now(datetime.UTC):%Y-%m-%d}; do not edit. "
        f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}, Python "
        f"{platform.python_version()}, {versions}.",
        "",
    ]


def main() -> None:
    """Run all sections, then write the page in one go."""
    lines = head()
    for section in SECTIONS:
        with tempfile.TemporaryDirectory() as folder:
            lines += [re.sub(re.escape(folder), "FOLDER", line) for line in section(Path(folder))]
    PAGE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
