"""What tests of own recordings share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from brainbench.core import registry
from brainbench.data.own import formats
from brainbench.data.own.layout import Layout
from brainbench.data.own.raw import RawResponses


def _read_here(path: Path, layout: Layout) -> RawResponses:
    return {**formats.PLAIN, **formats.GUARDED}[path.suffix](path, layout)


@pytest.fixture
def unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers run in this process: a child for each takes a second to start."""
    monkeypatch.setattr("brainbench.data.own.dataset.read_responses", _read_here)


@pytest.fixture
def data_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A data folder of this test alone."""
    folder = tmp_path / "kept"
    monkeypatch.setenv("BRAINBENCH_DATA", str(folder))
    registry.entries.cache_clear()
    yield folder
    registry.entries.cache_clear()
