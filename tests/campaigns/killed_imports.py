"""Campaign: imports of published data that are killed at each step in the file system.

    python tests/campaigns/killed_imports.py

A first import must leave nothing or everything, an import over an import the values that were there. Whatever
is left behind must be removed by an import a day later. The exit status is 1 if anything is lost or wrong.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "support"), str(Path(__file__).parent)]

import cowley_files
import geirhos_files
import killed
import kriegeskorte_files
from readers import make_cowley, make_geirhos, make_kriegeskorte, read_all

from brainbench.core.errors import BrainbenchError
from brainbench.data.integrity import verify_imported

ABSENT, WHOLE, LOST, WRONG, LEFT = "absent", "whole", "lost", "wrong", "left behind"
FAULTS = (LOST, WRONG, LEFT)
STUDIES: dict[str, tuple[Callable[[Path], None], Callable[[Path], Any]]] = {
    "cowley": (make_cowley, cowley_files.declare),
    "geirhos": (make_geirhos, lambda folder: geirhos_files.declare()),
    "kriegeskorte": (make_kriegeskorte, kriegeskorte_files.declare),
}


def campaign(folder: Path) -> dict[str, Counter[str]]:
    """Kill the import of each small study at each step; return what was there afterwards, by study."""
    counts = {}
    for name, (make, declare) in STUDIES.items():
        published, kept = folder / name / "published", folder / name / "kept"
        published.mkdir(parents=True)
        make(published)
        os.environ["BRAINBENCH_DATA"] = str(kept)
        open_data = partial(declare, published)
        for over in (False, True):
            found = _killed(open_data, published, kept, over=over)
            counts[f"{name}, {'over an import' if over else 'the first'}"] = found
    return counts


def _killed(
    open_data: Callable[[], Any], published: Path, kept: Path, *, over: bool
) -> Counter[str]:
    found: Counter[str] = Counter()
    shutil.rmtree(kept, ignore_errors=True)
    open_data().import_from(published)
    expected = read_all(open_data())
    while True:
        if not over:
            shutil.rmtree(kept, ignore_errors=True)
        status = killed.run_until(found.total(), partial(open_data().import_from, published))
        found[_state(open_data, expected, over=over)] += 1
        if status != killed.KILLED:
            break
    for path in kept.rglob("*"):
        os.utime(path, (1, 1))
    target = open_data().import_from(published)
    found[LEFT] += sum(path != target for path in target.parent.iterdir())
    return found


def _state(open_data: Callable[[], Any], expected: str, *, over: bool) -> str:
    if open_data().absent():
        return LOST if over else ABSENT
    try:
        is_as_before = read_all(open_data()) == expected
    except BrainbenchError:
        return LOST
    is_sound = {finding.state for finding in verify_imported()} == {"sound"}
    return WHOLE if is_as_before and is_sound else WRONG


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="killed-") as folder:
        counts = campaign(Path(folder))
    for name, found in counts.items():
        listed = ", ".join(f"{found[state]} {state}" for state in (ABSENT, WHOLE, *FAULTS))
        print(f"{name}: killed at {found.total() - 1} steps and finished once: {listed}")
    return int(any(found[fault] for found in counts.values() for fault in FAULTS))


if __name__ == "__main__":
    sys.exit(main())
