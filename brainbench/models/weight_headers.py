"""Headers of files of weights of this program: what the weights are, read without them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import safetensors

from brainbench.core.errors import DamagedFileError, InputError
from brainbench.core.model import ChosenBy

SUFFIX: Final = ".safetensors"
_CHOSEN_BY: Final = "chosen_by"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file of weights.

    Parameters
    ----------
    format : str
        Its mark in the header.
    what, command : str
        Its name, and the command that writes it, for error messages.
    """

    format: str
    what: str
    command: str

    def is_of(self, path: Path) -> bool:
        """Return whether a file is of this kind; one that cannot be read is not."""
        try:
            return _metadata(path).get("format") == self.format
        except (OSError, safetensors.SafetensorError):
            return False

    def header(self, path: Path) -> dict[str, str]:
        """Return the header of a file of this kind.

        Raises
        ------
        InputError
            There is no such file, or it is of another kind.
        DamagedFileError
            A file that is not whole.
        """
        allowed = f"a {SUFFIX} file that `{self.command}` has written"
        try:
            found = _metadata(path)
        except FileNotFoundError as error:
            raise InputError(
                f"{self.what} {path}: there is no such file", allowed=allowed, todo="check the path"
            ) from error
        except (OSError, safetensors.SafetensorError) as error:
            raise self.damaged(path, error) from error
        if found.get("format") != self.format:
            raise InputError(
                f"{path} is no {self.what}: `{self.command}` has not written it",
                allowed=allowed,
                todo="check the path, or give weights of a network with --weights",
            )
        return found

    def damaged(self, path: Path, error: Exception) -> DamagedFileError:
        """Return the error for a file of this kind that cannot be read."""
        return DamagedFileError(
            f"{self.what} {path} cannot be read ({error})",
            allowed=f"a whole file of `{self.command}`",
            todo=f"remove it, and make it again with `{self.command}`",
        )


def chosen_by_entry(chosen: Sequence[ChosenBy]) -> dict[str, str]:
    """Return the entry of a header that says by which recordings the epoch of the weights was chosen."""
    return {_CHOSEN_BY: json.dumps([asdict(one) for one in chosen])} if chosen else {}


def chosen_by_of(path: Path) -> tuple[ChosenBy, ...]:
    """Return by which recordings the epoch of the weights in a file was chosen; () for other files.

    DamagedFileError where the entry of a header cannot be understood.
    """
    try:
        text = _metadata(path).get(_CHOSEN_BY, "[]")
    except (OSError, safetensors.SafetensorError):
        return ()
    try:
        return tuple(
            ChosenBy(
                benchmark=str(one["benchmark"]),
                recordings=tuple((str(data), str(region)) for data, region in one["recordings"]),
            )
            for one in json.loads(text)
        )
    except (ValueError, TypeError, LookupError) as error:
        raise DamagedFileError(
            f"weights {path}, whose header says that a benchmark chose their epoch, but not which ({error})",
            allowed="a whole file of `brainbench train --monitor`",
            todo="train the network again",
        ) from error


def _metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a file of safetensors; OSError or SafetensorError for any other file."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder")
    with safetensors.safe_open(path, framework="np") as stream:
        return dict(stream.metadata() or {})
