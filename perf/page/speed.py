"""Sections on speed and memory."""

from __future__ import annotations

from pathlib import Path

from page.tables import figures, measured, table


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
