"""Damages to a kept file, by name: each takes the file and another whole one of the same kind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path, Path], object]


def _edit(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as stream:
        stream.seek(start)
        stream.write(content)


def _flip(share: float) -> Damage:
    def flip(path: Path, _: Path) -> None:
        at = int(share * (path.stat().st_size - 1))
        with path.open("rb") as stream:
            stream.seek(at)
            (byte,) = stream.read(1)
        _edit(path, at, bytes([byte ^ 1]))

    return flip


def _block(share: float, content: bytes, n: int = 512) -> Damage:
    def overwrite(path: Path, _: Path) -> None:
        size = path.stat().st_size
        start = int(share * max(0, size - n))
        _edit(path, start, content * min(n, size))

    return overwrite


def _truncate(share: float, less: int = 0) -> Damage:
    return lambda path, _: os.truncate(path, int(share * path.stat().st_size) - less)


def _append(content: bytes) -> Damage:
    def append(path: Path, _: Path) -> None:
        with path.open("ab") as stream:
            stream.write(content)

    return append


def _swap(path: Path, other: Path) -> None:
    third = path.with_name("third")
    path.rename(third)
    other.rename(path)
    third.rename(other)


def _move_block(path: Path, _: Path) -> None:
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[half:] + content[:half])


def _replace_by(make: Callable[[Path], object]) -> Damage:
    def replace(path: Path, _: Path) -> None:
        path.unlink()
        make(path)

    return replace


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("something")


DAMAGES: dict[str, Damage] = {
    **{f"a bit at {share:.3g} of the file": _flip(share) for share in (0, 0.1, 0.3, 0.5, 0.7, 0.9)},
    "the last bit": _flip(1.0),
    "zeros at the start": _block(0.0, b"\0"),
    "zeros in the middle": _block(0.5, b"\0"),
    "zeros at the end": _block(1.0, b"\0"),
    "zeros everywhere": _block(0.0, b"\0", 1 << 30),
    "ones in the middle": _block(0.4, b"\xff", 4096),
    "half a file": _truncate(0.5),
    "a byte less": _truncate(1.0, 1),
    "a few bytes": _truncate(0.0, -9),
    "an empty file": _truncate(0.0),
    "a byte more": _append(b"\0"),
    "a page more": _append(b"\1" * 4096),
    "halves exchanged": _move_block,
    "swapped with another": _swap,
    "a copy of another": lambda path, other: shutil.copyfile(other, path),
    "another moved here": lambda path, other: other.replace(path),
    "a text": lambda path, _: path.write_text("no figures\n" * 50),
    "a folder": _replace_by(_folder),
    "a pipe": _replace_by(os.mkfifo),
    "a link to nothing": _replace_by(lambda path: path.symlink_to("nowhere")),
    "a link to itself": _replace_by(lambda path: path.symlink_to(path.name)),
}
