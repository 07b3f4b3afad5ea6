"""Sections on recurrent V1 models: fitted to real neurons, their paths, their speed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from page.tables import ROOT, figure, import_sets, measured, table

REGIONS = {"Cowley2023.V4-ccnorm2": "V4", "Henaff2021.V1-ccnorm2": "V1"}
LAYERS = ",".join(f"_blocks.{n}" for n in range(0, 12, 2))
MAPS = (f"efficientnet_lite0={LAYERS}", "gabor=output")


def real_fits(folder: Path) -> list[str]:
    """Fit recurrent and feed-forward models to V4 and V1, three seeds, and ridge maps beside them."""
    import_sets(folder, ("Cowley2023", "Henaff2021"))
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
            ", ".join(row["layers"])
            + (f" (of {row['offered']} layers)" if row["offered"] > 1 else ""),
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


def multipath(folder: Path) -> list[str]:
    """Fit multi-path models to V4, whole and without paths of some lengths."""
    import_sets(folder, ("Cowley2023",))
    picture = ROOT / "docs" / "ablations_v4.png"
    given = ("-o", str(folder / "fits"), "--figure", str(picture))
    return multipath_section(measured(folder, "recurrent_v1_multipath", *given))


def multipath_section(report: Sequence[dict[str, Any]]) -> list[str]:
    """Return the section of the rows of `perf/recurrent_v1_multipath.py`."""
    rows = [
        (
            row["model"],
            figure(row["test"], 4),
            figure(row.get("difference"), 4),
            _between(row.get("ci_over_neurons")),
            _between(row.get("ci_over_seeds")),
        )
        for row in report
    ]
    n = report[0]["seeds"]
    return [
        "## Paths of recurrent V1 models on real V4",
        "",
        "`python perf/recurrent_v1_multipath.py`: schedule `quick`, 37 x 37 pixels, 16 channels, T = 3, "
        f"2-avg, {n} seed{'s' if n > 1 else ''} of fits, each model fitted from scratch. CC_norm^2 on "
        "held-out pictures, its paired difference from the multi-path model, and 95 % intervals of it, "
        "Student's t, not corrected for the number of comparisons.",
        "",
        *table(("", "CC_norm^2", "difference from multi-path", "over neurons", "over seeds"), rows),
        "![CC_norm^2 without paths of one length and of two](ablations_v4.png)",
        "",
    ]


def speed(folder: Path) -> list[str]:
    """Time a step of training beside a plain implementation and its convolutions, and a fit."""
    given = ("--threads", "2", "--steps", "8", "--fit")
    return speed_section(measured(folder, "recurrent_v1", *given))


def speed_section(report: dict[str, Any]) -> list[str]:
    """Return the section of the report of `perf/recurrent_v1.py`."""
    steps, aims, fit = report["step"], report["aims"], report["fit"]
    floor = steps["floor of convolutions"]["wall"]
    rows = [
        (name, figure(one["wall"]), figure(one["processor"]), figure(one["wall"] / floor, 2))
        for name, one in steps.items()
    ]
    return [
        "## Speed of recurrent V1 fits",
        "",
        "`python perf/recurrent_v1.py --threads 2 --steps 8 --fit`: 16 channels, one recurrent block, "
        f"T = 3, 2-avg, 79 neurons, 256 images of 50 x 50, {report['threads']} threads; medians of "
        f"8 steps in turns. Aim: at most {aims['step']:g} s a step.",
        "",
        *table(("", "s a step", "s of processor", "x floor"), rows),
        f"A fit of such a network with the schedule `quick` (1,000 images of 50 x 50, batches of 64): "
        f"{fit['seconds']:.0f} s, {fit['steps']} steps. Aim: at most {aims['fit']:g} s.",
        "",
    ]


def _between(ci: Sequence[float] | None, digits: int = 4) -> str:
    return "" if ci is None else f"{figure(ci[0], digits)} to {figure(ci[1], digits)}"


def _over_films(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    return f"{figure(found['difference'], 4)} [{_between(found['ci'])}], {found['films']} films"
