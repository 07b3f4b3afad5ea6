"""Sections on coverage: how often intervals contain the truth in `perf/worlds`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from page.tables import figure, measured, table

COLUMNS = ("measure", "random", "truth", "width", "coverage", "binomial 95 %", "reflected", "")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _rows(report: dict[str, Any], *, omitted: str = "") -> list[tuple[str, ...]]:
    """Return a row for each world, without what all of their names begin with."""
    return [
        (
            r["measure"].removeprefix(omitted),
            r["random"],
            figure(r["truth"]),
            figure(r["width"]),
            _percent(r["coverage"]),
            f"{100 * r['coverage_low']:.1f} to {_percent(r['coverage_high'])}",
            _percent(r["coverage_reflected"]),
            "" if r["within"] else "outside 90 to 98 %",
        )
        for r in report["rows"]
    ]


def coverage(folder: Path) -> list[str]:
    """Tabulate how often the intervals of measures of images and sites contain the truth."""
    only = ("predictivity, ", "predictivity of", "composite", "I2n", "RSA", "CKA", "object")
    report = measured(folder, "coverage", "--only", *only)
    return [
        "## Coverage of the intervals",
        "",
        f"`perf/coverage.py`: {report['replicates']} intervals of each kind, nominally 95 %; the truth is "
        f"the mean of the same score over {report['truths']:,} fresh draws of what is called random, at the "
        "same size. `reflected` is the coverage of the intervals reflected around their center. Seeds are "
        "fixed. So it is in the tables below.",
        "",
        *table(COLUMNS, _rows(report)),
    ]


def dynamics(folder: Path) -> list[str]:
    """Tabulate the coverage of neural dynamics, of normal and of skewed rates."""
    report = measured(folder, "coverage", "--only", "dynamics")
    return [
        "## Coverage of neural dynamics",
        "",
        "`perf/coverage.py --only dynamics`: bins declared, or chosen by trials that the divisor does not "
        "use. Skewed rates are sums of lognormal features (sigma .8), so that few images drive a site "
        "strongly.",
        "",
        *table(COLUMNS, _rows(report, omitted="dynamics, ")),
    ]


def explained(folder: Path) -> list[str]:
    """Tabulate the coverage of explainable variance over the sites with a signal."""
    report = measured(folder, "coverage", "--only", "CC_norm")
    return [
        "## Coverage of explainable variance",
        "",
        "`perf/coverage.py --only CC_norm`: over the sites that the F test finds to have a signal.",
        "",
        *table(COLUMNS, _rows(report)),
    ]


def films(folder: Path) -> list[str]:
    """Tabulate the coverage with few groups of images."""
    of_films = [f"predictivity over {n} films" for n in (3, 5, 10, 20)]
    report = measured(folder, "coverage", "--only", *of_films)
    return [
        "## Coverage over groups of images",
        "",
        "`perf/coverage.py`: 120 images of some films, which have half of the variance of their features in "
        "common. Splits and intervals take whole films (Student's t of the jackknife below 20), or, for "
        "comparison, single images.",
        "",
        *table(COLUMNS, _rows(report, omitted="predictivity over ")),
    ]


def animals(folder: Path) -> list[str]:
    """Tabulate the coverage of sites in animals."""
    of_animals = [f"predictivity over {n} animals" for n in (2, 3, 5)]
    report = measured(folder, "coverage", "--only", *of_animals)
    return [
        "## Coverage over animals",
        "",
        "`perf/coverage.py`: 12 sites in each animal. `sites drawn` is the interval of a score, held against "
        "other animals (`animals`) and against other sites of the same ones; `mean over animals` is "
        "`figures.over_animals`.",
        "",
        *table(COLUMNS, _rows(report, omitted="predictivity over ")),
    ]


STUDIES = {
    "reverse": "other units of the model for the same sites",
    "curvature": "other films; the estimate of the brain has noise of 8 degrees",
    "shape bias": "other photographs, and a read-out that is fitted anew; the same pictures of textures",
    "animal to animal": "other sites of both, each a source and a target",
}
"""What is drawn afresh in the worlds of each study."""


def studies(folder: Path) -> list[str]:
    """Tabulate the coverage of reverse predictivity, curvature, shape bias and animals as a reference."""
    return studies_section(measured(folder, "coverage", "--only", *STUDIES, "--truths", "600"))


def studies_section(report: dict[str, Any]) -> list[str]:
    """Return the section of the studies in a report."""
    drawn = [
        f"{name}: {what}"
        for name, what in STUDIES.items()
        if any(row["measure"].startswith(name) for row in report["rows"])
    ]
    return [
        "## Coverage of other measures",
        "",
        f"`perf/coverage.py`, the truth from {report['truths']:,} fresh draws, of {'; '.join(drawn)}.",
        "",
        *table(COLUMNS, _rows(report)),
    ]


def comparison(folder: Path) -> list[str]:
    """Tabulate the coverage of differences and ranks, and the size of the permutation test."""
    report = measured(folder, "coverage", "--only", "difference")
    ranked = measured(folder, "coverage", "--ranks", "--replicates", "1000")
    ranks = {k: v for k, v in ranked.items() if k.startswith("ranks")}
    exchanges = ranked["exchanges of two models"]
    return [
        "## Coverage of differences and ranks",
        "",
        "`perf/coverage.py --only difference`: models that see the same features with noise of their own.",
        "",
        *table(COLUMNS, _rows(report, omitted="difference of ")),
        f"`perf/coverage.py --ranks`, {ranked['replicates']:,} replicates: five models, two of them tied. "
        "`all held` is how often the rank intervals of all five contain their true ranks at once, nominally "
        "at least 95 %; `tied called different` should be at most 5 %.",
        "",
        *table(
            ("", "all held", "tied called different", "places wide"),
            [
                (name, _percent(r["coverage"]), _percent(r["wrong"]), figure(r["width"], 1))
                for name, r in ranks.items()
            ],
        ),
        f"The permutation test at 5 %, with new sites, images and maps in each replicate, calls "
        f"{_percent(exchanges['size'])} of exchangeable networks different, and "
        f"{_percent(exchanges['power'])} of those with .3 and .9 times noise.",
        "",
    ]
