"""Sections on the training of networks: the architecture search."""

from __future__ import annotations

from pathlib import Path

from page.tables import ROOT, figure, measured, table


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
        f"Aim: at most {report['seconds_at_most']:g} s a trial.",
        "",
        *table(("", ""), list(facts.items())),
        *table(("feedback", "gain in median top-1, 95 %", "trials with", "without"), gains),
        "![Accuracy over trials and parameters, feedback, and the best cell](search.png)",
        "",
    ]
