"""Fixtures of published data sets: a module names its DATA_SET, and its MATERIAL in the shared folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from brainbench.cli.main import run
from brainbench.data.manifest import open_dataset


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """The program in this process: exit status, stdout, stderr."""

    def call_(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["brainbench", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            run()
        printed = capsys.readouterr()
        return int(end.value.code or 0), printed.out, printed.err

    return call_


@pytest.fixture(scope="module")
def published(request: pytest.FixtureRequest, shared: Callable[[str], Path]) -> Path:
    """Folder of the files that are imported; the test is skipped where it is absent."""
    return shared(request.module.MATERIAL)


@pytest.fixture(scope="module")
def imported(
    request: pytest.FixtureRequest, published: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Data folder with the data set, made once."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_DATA", str(folder))
        open_dataset(request.module.DATA_SET).import_from(published)
    return folder


@pytest.fixture
def here(imported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data folder with the data set is in use."""
    monkeypatch.setenv("BRAINBENCH_DATA", str(imported))


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty data folder is in use."""
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "nothing"))
