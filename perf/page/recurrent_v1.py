"""Section on recurrent V1 models fitted to real neurons."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from page.tables import ROOT, figure, measured, run, table

RECORDED = {"Cowley2023": "cowley_v4", "Henaff2021": "henaff2021_v1"}
REGIONS = {"Cowley2023.V4-ccnorm2": "V4", "Henaff2021.V1-ccnorm2": "V1"}
LAYERS = ",".join(f"_blocks.{n}" for n in range(0, 12, 2))
MAPS = (f"efficientnet_lite0={LAYERS}", "gabor=output")


def real_fits(folder: Path) -> list[str]:
    """Fit recurrent and feed-forward models to V4 and V1, three seeds, and ridge maps beside them."""
    root = Path(os.environ.get("BRAINBENCH_SHARED", ROOT.parent / "shared")) / "data"
    for name, place in RECORDED.items():
        run(folder, "brainbench", "data", "import", name, "--from", str(root / place))
    given = ("-o", str(folder / "fits"), "--maps", *MAPS)
    return real_fits_section(measured(folder, "recurrent_v1_real", *given))


def real_fits_section(report: Sequence[dict[str, Any]]) -> list[str]:
    """Return the section of the rows of `perf/recurrent_v1_real.py`."""
    fits = [row for row in report if "channels" in row]
    maps = [row for row in report if "layers" in row]
    pairs = [
        (
            REGIONS[row["benchmark"]],
            row["channels"],
            row["neurons"],
            *(figure(row[key], 4) for key in ("feed-forward", "recurrent", "difference")),
            _between(row["ci_over_neurons"]),
            _between(row["ci_over_seeds"]),
            _over_films(row.get("within_films")),
        )
        for row in fits
    ]
    of_maps = [
        (
            REGIONS[row["benchmark"]],
            row["model"],
            ", ".join(row["layers"]) + (f" of {row['offered']}" if row["offered"] > 1 else ""),
            figure(row["test"]),
            _between(row["ci"], 3),
        )
        for row in maps
    ]
    return [
        "## Recurrent V1 models on real recordings",
        "",
        f"`python perf/recurrent_v1_real.py`: schedule `quick`, 37 x 37 pixels, {fits[0]['seeds']} seeds of "
        "fits; recurrent models with T = 3 and 2-avg, feed-forward ones of matched size. CC_norm^2 on "
        "held-out pictures; 95 % intervals of the paired difference, Student's t. That over neurons is about "
        "other neurons on the same pictures, that over seeds about other initial weights; films are units of "
        "their own, with the figure on their frames. Of these comparisons none is corrected for the number "
        "of the others.",
        "",
        *table(
            (
                *("", "channels", "neurons", "feed-forward", "recurrent", "difference"),
                *("over neurons", "over seeds", "over films"),
            ),
            pairs,
        ),
        "Ridge maps of fixed networks on the same pictures, penalty and layer by the validation pictures:",
        "",
        *table(("", "model", "layer", "CC_norm^2", "over neurons"), of_maps),
    ]


def _between(ci: Sequence[float], digits: int = 4) -> str:
    return f"{figure(ci[0], digits)} to {figure(ci[1], digits)}"


def _over_films(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    return f"{figure(found['difference'], 4)} [{_between(found['ci'])}], {found['films']} films"
