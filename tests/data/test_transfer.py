"""Transfers that are cut, resumed, lied to and refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Served, serving, silent

from brainbench.data import transfer as module
from brainbench.data.transfer import (
    AccessDeniedError,
    Control,
    DownloadError,
    InterruptedDownloadError,
    Limits,
    state_of,
    transfer,
)

CONTENT = bytes(range(256)) * 4_000  # 1 MB
PATH = "/file.bin"


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as served:
        served.files[PATH] = CONTENT
        served.ranges.add(PATH)
        served.etags[PATH] = '"one"'
        yield served


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "file.part"


def get(served: Served, part: Path, *, tries: int = 3, any_state: bool = False) -> None:
    transfer(served.url + PATH, part, Limits(tries=tries), Control(any_state=any_state))


def test_what_is_cut_again_and_again_comes_whole(served: Served, part: Path) -> None:
    served.cut[PATH] = 300_000
    get(served, part, tries=2)
    assert part.read_bytes() == CONTENT
    assert served.asked_ranges == [None, *(f"bytes={k}00000-" for k in (3, 6, 9))]
    assert not state_of(part).exists()


def test_a_later_call_goes_on_where_the_first_one_ended(served: Served, part: Path) -> None:
    served.cut[PATH] = 700_000
    with pytest.raises(InterruptedDownloadError):
        get(served, part, tries=1)
    assert part.stat().st_size == 700_000
    get(served, part)
    assert part.read_bytes() == CONTENT
    assert served.asked_ranges == [None, "bytes=700000-"]


def test_a_file_that_changed_meanwhile_comes_from_its_beginning(served: Served, part: Path) -> None:
    served.cut[PATH] = 700_000
    with pytest.raises(InterruptedDownloadError):
        get(served, part, tries=1)
    served.cut.clear()
    served.files[PATH], served.etags[PATH] = CONTENT[::-1], '"two"'
    get(served, part)
    assert part.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("any_state", [True, False])
def test_without_a_state_only_a_checksum_allows_to_go_on(
    served: Served, part: Path, any_state: bool
) -> None:
    served.etags.clear()
    part.write_bytes(CONTENT[:1000])
    get(served, part, any_state=any_state)
    assert part.read_bytes() == CONTENT
    assert served.asked_ranges == ["bytes=1000-" if any_state else None]


def test_a_server_that_knows_no_ranges_gives_all_of_it(served: Served, part: Path) -> None:
    served.ranges.clear()
    part.write_bytes(b"x" * 1000)
    get(served, part, any_state=True)
    assert part.read_bytes() == CONTENT


def test_another_part_than_was_asked_for_is_not_taken(served: Served, part: Path) -> None:
    served.lying.add(PATH)
    part.write_bytes(CONTENT[:1000])
    get(served, part, any_state=True)
    assert part.read_bytes() == CONTENT
    assert served.asked_ranges == ["bytes=1000-", None]


def test_more_than_the_file_has_is_thrown_away(served: Served, part: Path) -> None:
    part.write_bytes(b"x" * (len(CONTENT) + 5))
    get(served, part, any_state=True)
    assert part.read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(served: Served, part: Path) -> None:
    served.status[PATH] = [503, 429]
    get(served, part)
    assert part.read_bytes() == CONTENT
    served.status[PATH] = [503] * 9
    part.unlink()
    with pytest.raises(InterruptedDownloadError, match="503"):
        get(served, part)
    assert len(served.status[PATH]) == 6


@pytest.mark.parametrize(
    ("asked", "pause"), [("7", 7.0), ("900", 60.0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0.01)]
)
def test_a_busy_server_says_when_to_come_again(
    served: Served, part: Path, monkeypatch: pytest.MonkeyPatch, asked: str, pause: float
) -> None:
    control, pauses = Control(), []
    served.status[PATH], served.retry_after = [429], asked
    monkeypatch.setattr(control.stopped, "wait", pauses.append)
    transfer(served.url + PATH, part, Limits(tries=3), control)
    assert pauses == [pause]
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "kind"), [(403, AccessDeniedError), (401, AccessDeniedError), (404, DownloadError)]
)
def test_a_refusal_is_not_asked_again(
    served: Served, part: Path, status: int, kind: type[DownloadError]
) -> None:
    served.status[PATH] = [status] * 3
    with pytest.raises(kind, match=str(status)):
        get(served, part)
    assert len(served.asked) == 1


def test_a_server_that_stalls_is_left_after_all_tries(part: Path) -> None:
    with silent() as served, pytest.raises(InterruptedDownloadError, match=r"0\.1 s"):
        transfer(served.url + PATH, part, Limits(tries=2, silence=0.1), Control())


def test_a_transfer_is_stopped_from_outside_and_resumed(served: Served, part: Path) -> None:
    control = Control()
    stopping = Control(
        progress=lambda nbytes, _: control.stopped.set() if nbytes else None,
        stopped=control.stopped,
    )
    with pytest.raises(InterruptedDownloadError, match="stopped"):
        transfer(served.url + PATH, part, Limits(tries=3), stopping)
    assert len(served.asked) == 1
    get(served, part)
    assert part.read_bytes() == CONTENT


def test_progress_counts_what_was_here(served: Served, part: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    part.write_bytes(CONTENT[:500_000])
    control = Control(progress=lambda *now: seen.append(now), any_state=True)
    transfer(served.url + PATH, part, Limits(), control)
    assert seen[0] == (500_000, len(CONTENT))
    assert seen[-1] == (len(CONTENT), len(CONTENT))
