"""Campaign: scores from several threads of one process, compared with the same ones after each other.

    python tests/campaigns/threads.py --threads 8 --scores 20

Each thread scores one network on benchmarks of its own images. Values, images shown and hooks must be those
of a single thread, and everything that is kept must be whole. The exit status is 1 if anything differs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "support"), str(TESTS / "fakes")]

import torch
from brainbench_fake import FakeData, declare

import brainbench
from brainbench.core import provenance
from brainbench.models.preprocessing import Preprocess
from brainbench.storage.cache import Cache
from brainbench.storage.results import Results

LAYERS = {"V1": "0", "V4": "1", "IT": "3"}


@dataclass(frozen=True)
class Outcome:
    """What several threads computed, and what was wrong with it."""

    n_scores: int
    n_different: int  # values that one thread alone does not give
    n_other_costs: int  # threads that counted other images than one alone
    n_hooks: int  # that are left in the network
    n_damaged: int  # files

    @property
    def n_faults(self) -> int:
        return self.n_different + self.n_other_costs + self.n_hooks + self.n_damaged


def campaign(place: Path, *, threads: int, scores: int) -> Outcome:
    """Score as many benchmarks in each of several threads as `scores`; compare with one thread."""
    net = _network()
    serial = _model(net, place / "serial")
    expected = [_scored(serial, place / "serial", thread, scores) for thread in range(threads)]
    model, start = _model(net, place / "threads"), threading.Barrier(threads)

    def work(thread: int) -> tuple[list[float | None], int]:
        start.wait()
        return _scored(model, place / "threads", thread, scores)

    with ThreadPoolExecutor(threads) as pool:
        made = list(pool.map(work, range(threads)))
    pairs = list(zip(expected, made, strict=True))
    return Outcome(
        n_scores=threads * scores,
        n_different=sum(
            a != b for one, other in pairs for a, b in zip(one[0], other[0], strict=True)
        ),
        n_other_costs=sum(one[1] != other[1] for one, other in pairs),
        n_hooks=sum(len(module._forward_hooks) for module in net.modules()),
        n_damaged=sum(
            finding.state == "damaged"
            for kept in (Cache(place / "threads"), Results(place / "threads" / "results"))
            for finding in kept.verify()
        ),
    )


def _network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Conv2d(4, 5, 3), torch.nn.ReLU()
    )


def _model(net: torch.nn.Module, folder: Path) -> object:
    return brainbench.wrap(
        net,
        name="net",
        weights="untrained-0",
        layers=LAYERS,
        preprocess=Preprocess(name="small", size=(16, 16)),
        device="cpu",
        cache=Cache(folder),
    )


def _scored(model: object, place: Path, thread: int, n: int) -> tuple[list[float | None], int]:
    """Return the values of one thread, whose images no other thread has, and how many it showed."""
    regions = list(LAYERS)
    benchmarks = [
        declare(
            f"Fake.{regions[k % len(regions)]}-{thread}-{k}",
            region=regions[k % len(regions)],
            data=FakeData(n=10 + thread + 8 * (k // len(regions))),
        )
        for k in range(n)
    ]
    with provenance.counting() as costs:
        scores = brainbench.score(model, benchmarks, results=place / "results", errors="ignore")
    return [score.value for score in scores], costs.images


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--scores", type=int, default=20, help="of each thread")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="threads-") as folder:
        outcome = campaign(Path(folder), threads=given.threads, scores=given.scores)
    print(outcome)
    return int(outcome.n_faults > 0)


if __name__ == "__main__":
    sys.exit(main())
