"""Campaign: runs that are killed at each step in the file system, and started again.

    python tests/campaigns/killed_runs.py

A run scores a small network on two benchmarks and keeps activations, scores and predictions. It is killed
before each of its steps, in empty folders and over an earlier run (`overwrite="always"`). What is stored
afterwards must be whole, a stored figure must not be lost, and the same command must end with the same
figures. The exit status is 1 if anything is lost or wrong, or is left behind a day later.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "fakes"), str(Path(__file__).parent)]

import killed
import torch
from brainbench_fake import FakeData, declare

import brainbench
from brainbench.core.errors import BrainbenchError
from brainbench.models.preprocessing import Preprocess
from brainbench.storage.cache import Cache
from brainbench.storage.results import Results

WHOLE, ABSENT, LOST, WRONG, LEFT = "whole", "absent", "lost", "wrong", "left behind"
FAULTS = (LOST, WRONG, LEFT)
REGIONS = ("V1", "IT")


@dataclass(frozen=True)
class Folders:
    """Where a run keeps what it computes."""

    place: Path

    @cached_property
    def cache(self) -> Cache:
        return Cache(self.place / "cache")

    @cached_property
    def results(self) -> Results:
        return Results(self.place / "results")


def run(
    folders: Folders, overwrite: str = "only-missing", *, seed: int = 0
) -> dict[str, float | None]:
    """Score a small network on two benchmarks; return the values."""
    torch.manual_seed(seed)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 2, 3))
    model = brainbench.wrap(
        net,
        name="net",
        weights=f"untrained-{seed}",
        layers={"V1": "0", "IT": "2"},
        preprocess=Preprocess(name="small", size=(16, 16)),
        device="cpu",
        cache=folders.cache,
    )
    data = FakeData(n=20)
    benchmarks = [declare(f"Fake.{region}-mean", region=region, data=data) for region in REGIONS]
    scores = brainbench.score(
        model,
        benchmarks,
        results=folders.results.folder,
        overwrite=overwrite,
        errors="ignore",
    )
    return {score.benchmark: score.value for score in scores}


def campaign(place: Path, *, every: int = 1) -> dict[str, Counter[str]]:
    """Kill a run at each step, or one in `every`; return what was there afterwards, by kind of run."""
    expected = run(Folders(place / "expected"))
    counts = {}
    for kind, overwrite in (("the first", "only-missing"), ("over a run", "always")):
        found: Counter[str] = Counter()
        step, status = 0, killed.KILLED
        while status == killed.KILLED:
            folders = Folders(place / kind / str(step))
            if overwrite == "always":
                run(folders)
            status = killed.run_until(step, lambda f=folders, o=overwrite: run(f, o))
            found.update(_states(folders, expected, had_scores=overwrite == "always"))
            shutil.rmtree(folders.place)
            step += every
        counts[kind] = found
    return counts


def _states(folders: Folders, expected: dict[str, float | None], *, had_scores: bool) -> list[str]:
    """Return what became of each score, then of the folders after the same command and a day."""
    states = []
    found = {}
    try:
        found = {score.benchmark: score.value for score in folders.results.all()}
    except BrainbenchError:
        states.append(WRONG)
    for name, value in expected.items():
        if name in found:
            states.append(WHOLE if found[name] == value else WRONG)
        else:
            states.append(LOST if had_scores else ABSENT)
    damaged = [
        finding
        for kept in (folders.cache, folders.results)
        for finding in kept.verify()
        if finding.state == "damaged"
    ]
    states += [WRONG] * len(damaged)
    if run(folders) != expected:
        states.append(WRONG)
    for path in folders.place.rglob("*"):
        os.utime(path, (1, 1))
    run(folders, seed=1)  # writes to both folders
    states += [LEFT for path in folders.place.rglob("*.tmp")]
    return states


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=1, help="one step in so many")
    every = parser.parse_args().every
    with tempfile.TemporaryDirectory(prefix="killed-") as folder:
        counts = campaign(Path(folder), every=every)
    for name, found in counts.items():
        listed = ", ".join(f"{found[state]} {state}" for state in (ABSENT, WHOLE, *FAULTS))
        print(f"{name}: {found.total()} findings: {listed}")
    return int(any(found[fault] for found in counts.values() for fault in FAULTS))


if __name__ == "__main__":
    sys.exit(main())
