"""Networks on macaque V4 (Cowley2023): scores by session, layer curves, and shuffled images.

    python perf/real_v4.py [--json FILE] [--figure FILE] [--limit N]

The recordings are imported from BRAINBENCH_SHARED (default ../shared), folder data/cowley_v4, into a data
folder of their own; without them there is nothing to measure. EfficientNet-Lite0 is scored twice: with all
16 blocks offered and the choice nested inside the training images, and with block 10 named. CORnet-S, whose
official weights cannot be had offline, is scored untrained on session 210325 alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from brainbench import load_benchmark, load_model
from brainbench.core.benchmark import Benchmark
from brainbench.core.model import BrainModel
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.data.manifest import open_dataset
from brainbench.scoring.pipeline import score as score_model

SIMPLER = {  # PCA 200, ridge, one 80/20 split, without this program: ../shared/data/cowley_v4/README.md
    "efficientnet_lite0": {"190923": 0.55, "201025": 0.50, "210224": 0.47, "210325": 0.59},
    "pixels": {"190923": 0.17, "201025": 0.16, "210224": 0.10, "210325": 0.25},
}
BLOCK = "_blocks.10"


def shared() -> Path:
    root = Path(__file__).resolve().parent.parent
    return Path(os.environ.get("BRAINBENCH_SHARED", root.parent / "shared")) / "data" / "cowley_v4"


def row(
    label: str, benchmark: Benchmark, model: BrainModel, settings: Settings, **options: Any
) -> dict[str, Any]:
    began = time.perf_counter()
    score = score_model(benchmark, model, replace(settings, **options))
    print(f"{label}: {score.value:.3f} {score.ci} {time.perf_counter() - began:.0f} s", flush=True)
    return {
        "model": model.name,
        "label": label,
        "value": score.value,
        "ci": score.ci,
        "ci_approximate": score.ci_approximate,
        "status": score.status,
        "reason": score.reason,
        "n_units": score.n_units,
        "n_stimuli": score.n_stimuli,
        "partial": score.partial,
        "sessions": sessions_of(score),
        "curve": score.selection.curve,
        "seconds": time.perf_counter() - began,
    }


def sessions_of(score: Score) -> list[dict[str, Any]]:
    assert score.record is not None
    sessions: list[dict[str, Any]] = score.record.choices.get("sessions", [])
    return sessions


def measure(settings: Settings) -> dict[str, Any]:
    benchmark = load_benchmark("Cowley2023.V4-pls")
    sessions = open_dataset(benchmark.data).sessions()  # type: ignore[attr-defined]
    lite0, pixels = load_model("efficientnet_lite0"), load_model("pixels")
    named = {"layers": {"V4": BLOCK}}
    rows = [
        row("efficientnet_lite0, block 10", benchmark, lite0, settings, **named),
        row("pixels", benchmark, pixels, settings),
        row("efficientnet_lite0, 16 blocks offered", benchmark, lite0, settings),
    ]
    alone = benchmark.on(sessions["210325"])
    untrained = load_model("cornet_s", weights="untrained-0")
    one = [
        row("cornet_s, 210325 alone", alone, untrained, settings),
        row("pixels, 210325 alone", alone, pixels, settings),
        row("efficientnet_lite0, block 10, 210325 alone", alone, lite0, settings, **named),
    ]
    shuffled = replace(settings, null="images", null_draws=100, **named)
    null = score_model(alone, lite0, shuffled).null
    ceiled = {
        model.name: row(f"{model.name}, brainscore", benchmark, model, settings, **more)
        for model, more in (
            (lite0, {"protocol": "brainscore", **named}),
            (pixels, {"protocol": "brainscore"}),
        )
    }
    return {"rows": rows, "one": one, "null": null, "brainscore": ceiled, "simpler": SIMPLER}


def draw(curve: list[dict[str, Any]], path: Path) -> None:
    """Draw the score of each block within the training images, with its SD over splits, by session."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for session in sorted({point["session"] for point in curve}):
        points = [point for point in curve if point["session"] == session]
        mean = np.array([point["inner_mean"] for point in points])
        spread = np.array([point["inner_sd"] for point in points])
        (line,) = axes.plot(range(len(points)), mean, marker="o", markersize=3, label=session)
        axes.fill_between(
            range(len(points)), mean - spread, mean + spread, alpha=0.2, color=line.get_color()
        )
    axes.set(xlabel="block of EfficientNet-Lite0", ylabel="median r, inside the training images")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(title="session", frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--limit", type=int, help="at most N images of each session, for a try")
    options = parser.parse_args()
    if not shared().is_dir():
        sys.exit(f"{shared()} is absent; BRAINBENCH_SHARED names the folder with the recordings")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["BRAINBENCH_DATA"] = folder
        open_dataset("Cowley2023").import_from(shared())  # type: ignore[attr-defined]
        figures = measure(Settings(limit=options.limit))
    if options.figure:
        draw(figures["rows"][2]["curve"], options.figure)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
