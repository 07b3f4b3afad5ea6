"""Change of each simulated score in bfloat16, and the gain in speed.

    python perf/precision.py [--model cornet_s@untrained-0] [--benchmark 'Simulated.*'] [--json FILE]

The same model is scored in float32 and in bf16, each with its own activations, in one process. The
interval of the float32 score is the yardstick: a change far below its width changes no conclusion.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from brainbench.api import score
from brainbench.core import provenance
from brainbench.core.score import ScoreSet


def scored(model: str, benchmark: str, precision: str) -> tuple[ScoreSet, dict[str, float]]:
    with provenance.counting() as costs:
        scores = score([model], benchmark, precision=precision)
    assert isinstance(scores, ScoreSet)
    seconds, images = costs.forward_seconds, costs.images
    return scores, {"forward_seconds": seconds, "images_per_second": images / seconds}


def measure(model: str, benchmark: str) -> dict[str, Any]:
    full, of_full = scored(model, benchmark, "float32")
    half, of_half = scored(model, benchmark, "bf16")
    rows = [
        {
            "benchmark": one.benchmark,
            "float32": one.value,
            "bf16": other.value,
            "change": None if one.value is None or other.value is None else other.value - one.value,
            "ci": one.ci,
            "reason": one.reason or other.reason,
        }
        for one, other in zip(full, half, strict=True)
    ]
    speed = {"float32": of_full, "bf16": of_half}
    ratio = of_full["forward_seconds"] / of_half["forward_seconds"]
    return {"model": model, "rows": rows, "forward": speed, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="cornet_s@untrained-0")
    parser.add_argument("--benchmark", default="Simulated.*")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:  # nothing cached: the forward passes are timed
        os.environ["BRAINBENCH_CACHE"] = folder
        figures = measure(options.model, options.benchmark)
    for row in figures["rows"]:
        change = "" if row["change"] is None else f"{row['change']:+.1e}"
        print(f"{row['benchmark']:<28} {row['float32']!s:<22} {change:>9}  {row['ci']}")
    print(f"float32 takes {figures['ratio']:.2f} times as long in the network as bf16")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
