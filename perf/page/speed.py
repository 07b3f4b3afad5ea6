"""Sections on speed and memory."""

from __future__ import annotations

import os
from pathlib import Path

from page.tables import figures, measured, table

FEW = ("--images", "128", "--cache-gb", "2.1")
SESSION = "210325"
"""Of Cowley2023, 640 images: all four take about eight times as long."""


def pls(folder: Path) -> list[str]:
    """Tabulate the speed of PLS beside scikit-learn."""
    report = measured(folder, "pls")
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
        for r in report["rows"]
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
        f"`python perf/pls.py`, {report['threads']} threads for both, load at the start "
        f"{report['load_at_start']:.2f}; 2,560 images, 168 sites.",
        "",
        *table(columns, rows),
        *(f"- {name}: {seconds:.2f} s" for name, seconds in report["seconds"].items()),
        "",
    ]


def extraction(folder: Path) -> list[str]:
    """Tabulate the cost of extracting all areas and steps."""
    return figures(
        folder,
        "extract",
        "## Cost of extraction",
        "all areas and steps of CORnet-S, files and hashes included, beside the bare forward passes over "
        "the same images in the same process.",
    )


def memory(folder: Path) -> list[str]:
    """Tabulate the peak memory with a layer of 400,000 features."""
    return figures(
        folder,
        "memory",
        "## Memory",
        "extraction, Gram matrix, PLS2 and PLS1 (10 splits, 25 components) of one very large layer, in "
        "one process.",
    )


def beside_network(folder: Path) -> list[str]:
    """Tabulate what a run costs beside its forward passes."""
    report = measured(folder, "beside_network")
    row = (
        f"{report['model']} on {report['benchmarks']}",
        *(f"{report[key]:.1f}" for key in ("forward_s", "warm_s")),
        f"{report['ratio']:.2f}",
        f"{report['ratio_at_most']:g}",
        f"{report['stored_s']:.1f}",
    )
    columns = ("", "forward passes", "everything else", "ratio", "aim", "all stored")
    return [
        "## Beside the forward passes",
        "",
        f"`python perf/beside_network.py`, processor seconds, start-up included; load {report['load']:.2f}.",
        "",
        *table(columns, [row]),
    ]


def leaderboard(folder: Path) -> list[str]:
    """Tabulate what a leaderboard of many results costs."""
    report = measured(folder, "leaderboard")
    figures = ("seconds", "start_s", "parsing_s", "seconds_at_most")
    row = (f"{report['results']:,}", *(f"{report[key]:.1f}" for key in figures))
    return [
        "## A leaderboard of many results",
        "",
        f"`python perf/leaderboard.py`, processor seconds, start-up included; load {report['load']:.2f}"
        + (", a busy machine, which makes them more." if report["load"] > 2 else "."),
        "",
        *table(("results", "all", "start-up alone", "JSON of the index", "at most"), [row]),
    ]


def selection(folder: Path) -> list[str]:
    """Tabulate nested selection among layers beside its floor."""
    rows = [
        (
            r["map"],
            *(r[key] for key in ("images", "sites", "layers")),
            *(f"{r[key]:.2f}" for key in ("seconds", "floor_s", "ratio", "ratio_at_most")),
        )
        for r in measured(folder, "selection")["rows"]
    ]
    columns = ("map", "images", "sites", "layers", "seconds", "floor", "ratio", "at most")
    return [
        "## Nested selection of a layer",
        "",
        "`python perf/selection.py`, processor seconds, one BLAS thread; ten outer and five inner folds. "
        "Floor of PLS1: the products of inner products and sites; of ridge-cv: the eigenvectors.",
        "",
        *table(columns, rows),
    ]


def real_selection(folder: Path) -> list[str]:
    """Tabulate scores with a layer chosen among 16 on macaque V4 beside the forward passes."""
    report = measured(folder, "real_selection", "--sessions", SESSION)["rows"]
    rows = [
        (
            r["benchmark"],
            *(f"{r[key]:.1f}" for key in ("seconds", "floor_s", "forward_s")),
            f"{r['ratio']:.2f}",
            f"{r['ratio_at_most']:g}",
            f"{r['peak_mb'] / 1000:.2f} GB",
        )
        for r in report
    ]
    columns = ("", "score", "floor", "forward passes", "ratio", "aim", "memory")
    return [
        "## A layer chosen among 16 on macaque V4",
        "",
        f"`python perf/real_selection.py --sessions {SESSION}`: EfficientNet-Lite0, all 16 blocks offered, "
        f"session {', '.join(report[0]['sessions'])} of Cowley2023; processor seconds of one thread, "
        "activations cached. Ratio of the score to the forward passes. The floor is bare arithmetic: the "
        "symmetric product of each layer, and in each inner fold the products of inner products and sites, "
        "25 times (PLS, which the tridiagonal form undercuts where sites are many), or one "
        f"eigendecomposition (ridge-cv). Load {report[0]['load']:.1f}.",
        "",
        *table(columns, rows),
    ]


def vgg16(folder: Path) -> list[str]:
    """Tabulate the inner products of all layers of VGG16 with a cache that they do not fit in."""
    report = measured(folder, "vgg16", *FEW)
    more, rows = report["foreseen"], report["rows"]
    cells = [
        (
            number,
            f"{r['features']:,}",
            f"{r['gb']:.2f}",
            f"{r['passes']:.0f}" if r["passes"] else "kept",
            f"{r['seconds']:.1f}",
            f"{r['peak_mb'] / 1000:.1f} GB",
        )
        for number, r in enumerate(rows, 1)
    ]
    columns = ("layer", "units", "GB", "passes", "seconds", "peak memory so far")
    return [
        "## Layers that the cache has no room for: VGG16",
        "",
        f"`python perf/vgg16.py {' '.join(FEW)}`: inner products of all 13 convolutional layers, "
        f"{report['images']} images, a cache of {report['cache_gb']:g} GB; processor seconds, load "
        f"{report['load']:.1f}. One pass for all "
        f"layers kept {report['kept_gb']:.1f} GB and took {report['first_pass_s']:.0f} s; passes for one "
        f"layer end behind it. Memory has to stay below {report['limit_gb']:g} GB.",
        "",
        *table(columns, cells),
        f"Foreseen for {more['images']:,} images, {more['all_gb']:.0f} GB in all, with a cache of "
        f"{more['cache_gb']:.0f} GB, which keeps the same layers: {more['passes']} passes in "
        f"{more['again_hours']:.1f} processor hours for the others, and {more['products_hours']:.1f} for the "
        f"products of all. With a cache of {more['all_gb']:.0f} GB one pass is enough.",
        "",
    ]


def large(folder: Path) -> list[str]:
    """Tabulate time and memory of maps to TVSD's size."""
    report = measured(folder, "large")["rows"]
    rows = [
        (
            r["name"],
            f"{r['gram_s']:.1f} s",
            f"{r['map_s']:.1f} s",
            f"{r['floor_s']:.1f} s",
            f"{r['over_floor']:.2f}",
            f"{r['full_processor_minutes'] * r['wall_over_processor']:.0f} minutes, "
            f"{r['full_processor_minutes']:.0f} of the processor, {r['full_gb']:.1f} GB",
            f"{r['limit_minutes']:g} minutes, {r['limit_gb']:g} GB",
        )
        for r in report
    ]
    columns = ("map", "Gram", "map", "floor", "over floor", "foreseen at full size", "aim")
    return [
        "## Maps of TVSD's size",
        "",
        f"`python perf/large.py`, processor seconds at {report[0]['share']:g} of 22,248 + 100 images; 25,088 "
        "features, 1,024 sites. Gram and PLS1 grow with the square of the images, ridge with the cube and "
        f"the square. Minutes are by the wall with {os.cpu_count()} threads. Peak memory measured: "
        f"{report[-1]['peak_mb'] / 1000:.1f} GB.",
        "",
        *table(columns, rows),
    ]


def workers(folder: Path) -> list[str]:
    """Tabulate what two workers cost beside one process."""
    report = measured(folder, "workers")
    rows = [
        (
            name.replace("1", "one process", 1).replace("2", "two workers", 1),
            *(f"{cost[key]:.1f}" for key in ("processor_s", "busiest_s", "wall_s")),
        )
        for name, cost in report["costs"].items()
    ]
    columns = ("", "processor seconds", "of the busiest process", "wall seconds")
    return [
        "## Two workers",
        "",
        f"`python perf/workers.py`: {report['networks']} small networks on {report['benchmarks']} "
        f"benchmarks, {report['limit']} images, one thread for each worker; a run in which all is stored is "
        f"the start-up. Efficiency {report['efficiency']:.2f}, at least {report['at_least']:g} is the aim: "
        "half the work of the one process over that of the busiest worker, start-up taken off. Work added: "
        f"{report['added']:.0%}. Processor seconds; by the wall the efficiency was "
        f"{report['wall_efficiency']:.2f} at a load of {report['load']:.1f}.",
        "",
        *table(columns, rows),
    ]


def dynamics_states(folder: Path) -> list[str]:
    """Tabulate neural dynamics of networks with many states beside the floor of their inner products."""
    rows = [
        (
            r["model"],
            r["states"],
            ", ".join(f"{name} {count:,}" for name, count in r["layers"].items()),
            *(f"{seconds:.1f}" for seconds in r["seconds_of"].values()),
            *(f"{r[key]:.1f}" for key in ("seconds", "floor_s", "ratio", "ratio_at_most")),
        )
        for r in measured(folder, "dynamics_states")["rows"]
    ]
    columns = ("", "states", "features", "V4", "IT", "both", "floor", "ratio", "aim")
    return [
        "## Dynamics of networks with many states",
        "",
        "`python perf/dynamics_states.py`, processor seconds, one BLAS thread, activations stored. Floor: "
        "the inner products of the features in float64, those within the basis images once, a state that is "
        "the same for all images once.",
        "",
        *table(columns, rows),
    ]
