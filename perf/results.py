"""Measure everything again and write docs/results.md. Run it with `make results` on an idle machine.

    python perf/results.py [SECTION ...]

Each section runs commands that anybody can run, and tabulates what they wrote. With names of sections only
these are measured and written, and the others stay as they are on the page.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from page import commands, coverage, measures, recordings, recurrent_v1, simulated, speed, training
from page.tables import ROOT

PAGE = ROOT / "docs" / "results.md"

SECTIONS: dict[str, Callable[[Path], list[str]]] = {
    "main_command": commands.main_command,
    "beside_network": speed.beside_network,
    "selftest": measures.selftest,
    "simulated": simulated.simulated,
    "models": simulated.models,
    "real_v4": recordings.real_v4,
    "real_measures": recordings.real_measures,
    "real_sets": recordings.real_sets,
    "brain_alone": recordings.brain_alone,
    "coverage": coverage.coverage,
    "coverage_dynamics": coverage.dynamics,
    "coverage_explained": coverage.explained,
    "coverage_films": coverage.films,
    "coverage_animals": coverage.animals,
    "coverage_studies": coverage.studies,
    "coverage_comparison": coverage.comparison,
    "ceilings": measures.ceilings,
    "pls": speed.pls,
    "leaderboard": speed.leaderboard,
    "selection": speed.selection,
    "real_selection": speed.real_selection,
    "vgg16": speed.vgg16,
    "large": speed.large,
    "workers": speed.workers,
    "speeds": measures.speeds,
    "transfer": measures.transfer,
    "dynamics": measures.dynamics,
    "dynamics_states": speed.dynamics_states,
    "explained": measures.explained,
    "extraction": speed.extraction,
    "memory": speed.memory,
    "foreseen": commands.foreseen,
    "precision": commands.precision,
    "difficulty": simulated.difficulty,
    "curve": simulated.curve,
    "real_fits": recurrent_v1.real_fits,
    "recurrent_paths": recurrent_v1.multipath,
    "recurrent_speed": recurrent_v1.speed,
    "small_networks": training.small_networks,
    "search": training.search,
}


def head() -> list[str]:
    """Return the head of the page: machine and versions."""
    versions = ", ".join(
        f"{name} {metadata.version(name)}"
        for name in ("brainbench", "torch", "numpy", "scipy", "scikit-learn")
    )
    return [
        "# Results",
        "",
        f"Written by `make results`; do not edit. {os.cpu_count()} cores ({platform.machine()}), "
        f"{platform.system()}, Python {platform.python_version()}, {versions}. Each section says when it "
        "was measured. Marks: ° the weights are seeded random numbers, ~ the brain is simulated, ≈ the "
        "interval's coverage was not measured or is not what it should be.",
        "",
    ]


def measured_now(name: str) -> list[str]:
    """Measure one section, and return its lines with a comment that names it."""
    with tempfile.TemporaryDirectory() as folder:
        lines = SECTIONS[name](Path(folder))
        lines = [re.sub(re.escape(folder), "FOLDER", line) for line in lines]
    title, *rest = lines
    today = f"*Measured {datetime.datetime.now(datetime.UTC):%Y-%m-%d}.*"
    return [f"<!-- {name} -->", title, "", today, *rest]


def kept(name: str, page: str) -> list[str]:
    """Return a section as it is on the page; empty if it is not there."""
    match = re.search(rf"<!-- {name} -->\n(.*?)(?=\n<!-- |\Z)", page, re.DOTALL)
    return [f"<!-- {name} -->", *match[1].rstrip().split("\n"), ""] if match else []


def main() -> None:
    """Measure section by section, and write the page after each so that nothing measured is lost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    wanted = parser.parse_args().sections or list(SECTIONS)
    unknown = sorted(set(wanted) - set(SECTIONS))
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    for name in wanted:
        section = measured_now(name)
        page = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
        done = {each: kept(each, page) for each in SECTIONS} | {name: section}
        lines = [*head(), *(line for each in SECTIONS for line in done[each])]
        PAGE.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
