"""Scores from several threads of one process: the figures, costs and notes of each are its own."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from brainbench_fake import SCORED, FakeData, declare
from recorded_notes import RecordedNotes

import brainbench
from brainbench.core import progress, provenance
from brainbench.storage.cache import Cache
from brainbench.storage.results import Results

N_THREADS = 8


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 7, 4), torch.nn.ReLU(), torch.nn.Conv2d(4, 5, 5, 4), torch.nn.ReLU()
    )


def model_of(net, folder):
    """Return a model of the network: the benchmarks of a thread read different layers of it."""
    layers = {"V1": "0", "IT": "3"}
    return brainbench.wrap(
        net, name="net", weights="untrained-0", layers=layers, device="cpu", cache=Cache(folder)
    )


def benchmarks_of(thread):
    """Return benchmarks on images that no other thread has."""
    data = FakeData(n=10 + thread)
    return [declare(f"Fake.{region}-{thread}", region=region, data=data) for region in ("V1", "IT")]


def scored(model, thread):
    """Return values, images that were shown and notes of one thread."""
    recorded = RecordedNotes()
    with progress.use(recorded), provenance.counting() as costs:
        scores = brainbench.score(model, benchmarks_of(thread))
    return [one.value for one in scores], costs.images, recorded.notes


def test_figures_costs_and_notes_of_eight_threads_are_those_of_one_after_the_other(tmp_path):
    net = network()
    serial = model_of(net, tmp_path / "serial")
    expected = [scored(serial, thread) for thread in range(N_THREADS)]
    model, start = model_of(net, tmp_path / "threads"), threading.Barrier(N_THREADS)

    def work(thread):
        start.wait()
        return scored(model, thread)

    with ThreadPoolExecutor(N_THREADS) as pool:
        made = list(pool.map(work, range(N_THREADS)))
    assert made == expected
    assert len({values[0] for values, _, _ in made}) == N_THREADS
    assert min(images for _, images, _ in made) >= 10
    assert not any(module._forward_hooks for module in net.modules())
    # the network is as it was: it can be trained
    net(torch.zeros(1, 3, 64, 64)).sum().backward()


@pytest.mark.usefixtures("plugin")
def test_threads_that_want_the_same_compute_each_score_once(tmp_path):
    start = threading.Barrier(N_THREADS)

    def work(_):
        start.wait()
        scores = brainbench.score("fake", "Fake.V1-pls,Fake.IT-pls", results=tmp_path)
        return [one.value for one in scores]

    with ThreadPoolExecutor(N_THREADS) as pool:
        values = list(pool.map(work, range(N_THREADS)))
    assert values == [values[0]] * N_THREADS
    assert sorted(SCORED) == [("fake", "Fake.IT-pls"), ("fake", "Fake.V1-pls")]
    assert {finding.state for finding in Results(tmp_path).verify()} == {"sound"}
