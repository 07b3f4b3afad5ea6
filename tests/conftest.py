"""What all tests share: own folders, the shared material, and a small outside plug-in."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The same code gets the same verdict on any machine, however slow or busy it is.
settings.register_profile("brainbench", deadline=None, derandomize=True)
settings.load_profile("brainbench")

REPOSITORY = Path(__file__).resolve().parent.parent
FAKES = REPOSITORY / "tests" / "fakes"
sys.path.insert(0, str(FAKES))

ENTRY_POINTS = """\
[brainbench.models]
fake = brainbench_fake:models
[brainbench.benchmarks]
fake = brainbench_fake:benchmarks
[brainbench.data]
fake = brainbench_fake:data
"""


@pytest.fixture(scope="session", autouse=True)
def _session_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing that a test makes, session-wide fixtures included, goes to the user's own folders.

    Workers of pytest-xdist share one cache, so that the simulated brain is made once.
    """
    shared_by_workers = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared_by_workers = shared_by_workers.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_CACHE", str(shared_by_workers / "session-cache"))
        patch.setenv("BRAINBENCH_RESULTS", str(tmp_path_factory.mktemp("session-results")))
        patch.delenv("BRAINBENCH_CACHE_GB", raising=False)
        patch.setenv("BRAINBENCH_DATA", str(tmp_path_factory.mktemp("session-data")))
        patch.setenv("BRAINBENCH_OFFLINE", "1")  # no outcome depends on the network
        yield


@pytest.fixture(scope="module", autouse=True)
def _results_of_module(
    _session_folders: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """Scores that a module stores are found by its own tests alone.

    A worker may leave a module and come back to it: fixtures of the module are then made again, and must not
    find what the first ones stored.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_RESULTS", str(tmp_path_factory.mktemp("module-results")))
        yield


@pytest.fixture(scope="session")
def session_cache(_session_folders: None) -> Path:
    """Cache folder that lives as long as the test session, for what takes long to make."""
    return Path(os.environ["BRAINBENCH_CACHE"])


@pytest.fixture
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Cache folder of this test alone, in use through the environment."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("BRAINBENCH_CACHE", str(folder))
    return folder


@pytest.fixture
def results_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Results folder of this test alone, in use through the environment."""
    folder = tmp_path / "results"
    monkeypatch.setenv("BRAINBENCH_RESULTS", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """`shared("oracle/metrics")`: a path in the shared material; the test is skipped where it is absent."""
    root = Path(os.environ.get("BRAINBENCH_SHARED", REPOSITORY.parent / "shared"))

    def find(relative: str) -> Path:
        path = root / relative
        if not path.exists():
            pytest.skip(f"{path} is absent; BRAINBENCH_SHARED names the folder with oracle figures")
        return path

    return find


@pytest.fixture(scope="session")
def plugin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that makes tests/fakes an installed plug-in for whoever has it on the path."""
    folder = tmp_path_factory.mktemp("installed")
    info = folder / "brainbench_fake-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brainbench-fake\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return folder


@pytest.fixture
def plugin(
    plugin_folder: Path,
    cache_folder: Path,
    results_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """Models fake, fake_second and benchmarks Fake.*, Away.*, Stored.* are registered; own folders."""
    import brainbench_fake

    from brainbench.core import registry

    monkeypatch.syspath_prepend(str(plugin_folder))
    registry.entries.cache_clear()
    brainbench_fake.ASKED.clear()
    brainbench_fake.SCORED.clear()
    yield
    registry.entries.cache_clear()


@pytest.fixture
def composites(plugin: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Composites Recorded.* of the fake benchmarks Recorded.* are registered too."""
    from brainbench_fake import RECORDED

    from brainbench.core import registry

    for group, targets in RECORDED.items():
        for name, target in targets.items():
            monkeypatch.setitem(registry.entries(group), name, target)


@pytest.fixture
def environment(plugin_folder: Path, cache_folder: Path, results_folder: Path) -> dict[str, str]:
    """Environment for another process that has the plug-in and the folders of this test."""
    path = [str(plugin_folder), str(FAKES), os.environ.get("PYTHONPATH", "")]
    return {
        **{k: v for k, v in os.environ.items() if not k.startswith("FAKE_")},
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "BRAINBENCH_CACHE": str(cache_folder),
        "BRAINBENCH_RESULTS": str(results_folder),
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "80",
    }
