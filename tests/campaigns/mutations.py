"""Damage to files: what disks, transfers and attackers do to them, drawn from a seed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytes, np.random.Generator], bytes]

_SIZES = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, 1 << 62)
_BOMB = 400_000_000  # bytes


def flip_bits(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for place in rng.integers(len(changed), size=rng.integers(1, 9)) if changed else ():
        changed[place] ^= 1 << rng.integers(8)
    return bytes(changed)


def truncate(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content) + 1)]


def append(content: bytes, rng: np.random.Generator) -> bytes:
    return content + rng.bytes(int(rng.integers(1, 100)))


def insert(content: bytes, rng: np.random.Generator) -> bytes:
    place = rng.integers(len(content) + 1)
    return content[:place] + rng.bytes(int(rng.integers(1, 20))) + content[place:]


def remove(content: bytes, rng: np.random.Generator) -> bytes:
    first, last = _block(content, rng)
    return content[:first] + content[last:]


def zero(content: bytes, rng: np.random.Generator) -> bytes:
    first, last = _block(content, rng)
    return content[:first] + bytes(last - first) + content[last:]


def repeat(content: bytes, rng: np.random.Generator) -> bytes:
    first, last = _block(content, rng)
    return content[:last] + content[first:last] + content[last:]


def exchange(content: bytes, rng: np.random.Generator) -> bytes:
    size = min(int(rng.choice([1, 4, 8, 64])), len(content) // 2)
    if not size:
        return content
    first, second = sorted(rng.integers(len(content) - size + 1, size=2).tolist())
    if second < first + size:
        return content
    one, two = content[first : first + size], content[second : second + size]
    between = content[first + size : second]
    return content[:first] + two + between + one + content[second + size :]


def resize(content: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite what may be a size or an address, of two, four or eight bytes, in either order."""
    width = int(rng.choice([2, 4, 8]))
    if len(content) < width:
        return content
    place = int(rng.integers(len(content) - width + 1))
    size = int(rng.choice(_SIZES)) % (1 << 8 * width)
    order = "little" if rng.random() < 0.7 else "big"
    return content[:place] + size.to_bytes(width, order) + content[place + width :]


def point_elsewhere(content: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite eight bytes by an address inside the file, as a damaged HDF5 file may hold it."""
    if len(content) < 8:
        return content
    place = int(rng.integers(len(content) - 7))
    address = int(rng.integers(len(content)))
    return content[:place] + address.to_bytes(8, "little") + content[place + 8 :]


def retype(content: bytes, rng: np.random.Generator) -> bytes:
    """Put another kind of file in its place."""
    starts = (
        b"\x89HDF\r\n\x1a\n",
        b"CDF\x01",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"PK\x03\x04",
        b"\x93NUMPY\x01\x00",
        b"MATLAB 5.0 MAT-file",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"GIF89a",
        b"II*\x00",
        b"\x80\x02}q\x00.",
        b"[" * 100_000,
        b'{"a":' * 5_000,
        b"\xff\xfe\x00",
        b"",
    )
    return starts[rng.integers(len(starts))] + rng.bytes(int(rng.integers(200)))


def rename_numbers(content: bytes, rng: np.random.Generator) -> bytes:
    """Exchange a digit or a word of a text: another number, type or name."""
    words = (b"0", b"-1", b"1e999", b"NaN", b"null", b"[]", b"{}", b'"x"', b"true", b"9" * 400)
    places = [k for k, byte in enumerate(content[:20_000]) if 48 <= byte <= 57]
    if not places:
        return flip_bits(content, rng)
    place = places[rng.integers(len(places))]
    return content[:place] + words[rng.integers(len(words))] + content[place + 1 :]


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    flip_bits,
    truncate,
    append,
    insert,
    remove,
    zero,
    repeat,
    exchange,
    resize,
    resize,
    point_elsewhere,
    retype,
    rename_numbers,
)


def mutate(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a file after one to three mutations."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        content = MUTATIONS[rng.integers(len(MUTATIONS))](content, rng)
    return content


def zip_bomb(content: bytes, rng: np.random.Generator) -> bytes:
    """Replace a member of a zip by one of gigabytes that takes few bytes."""
    return _rewritten(content, rng, bomb=True)


def zip_traversal(content: bytes, rng: np.random.Generator) -> bytes:
    """Give a member of a zip a name outside the folder that it would be unpacked to."""
    return _rewritten(content, rng, bomb=False)


def _rewritten(content: bytes, rng: np.random.Generator, *, bomb: bool) -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as former,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        chosen = rng.integers(len(former.namelist()))
        for k, name in enumerate(former.namelist()):
            if k != chosen or not bomb:
                archive.writestr(f"../../{name}" if k == chosen else name, former.read(name))
                continue
            with archive.open(name, "w", force_zip64=True) as member:
                block = bytes(1 << 24)
                for _ in range(_BOMB // len(block)):
                    member.write(block)
    return stream.getvalue()


def _block(content: bytes, rng: np.random.Generator) -> tuple[int, int]:
    first = int(rng.integers(len(content) + 1))
    return first, min(len(content), first + int(2 ** rng.uniform(0, 10)))
