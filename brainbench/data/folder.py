"""Where imported data sets live: a folder of their own, which is never trimmed.

    <data folder>/Cowley2023/<digest of the source files>/

A data set is written to a temporary folder and renamed, so that it is there as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from brainbench.core.errors import BrainbenchError
from brainbench.storage.cache import explain

ENVIRONMENT = "BRAINBENCH_DATA"


def data_folder() -> Path:
    """Folder of the imported data sets: BRAINBENCH_DATA, or the user's own data folder."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named or platformdirs.user_data_dir("brainbench", False)).expanduser()


@contextlib.contextmanager
def writing(target: Path) -> Iterator[Path]:
    """Make a folder: fill the temporary one that this yields; it takes the place of `target` at the end.

    Whatever ends the block early, Ctrl-C included, removes what was written and leaves `target` as it was.

    Raises
    ------
    CacheError
        The folder cannot be made or written, or the disk is full.
    """
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        _replace(temporary, target)
    except OSError as error:
        if isinstance(error, BrainbenchError):
            raise
        raise explain(error, target.parent, choose=f"set {ENVIRONMENT} to") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _replace(temporary: Path, target: Path) -> None:
    """Rename, after moving away what is there: a folder that is not empty cannot be replaced."""
    former = temporary.with_suffix(".old")
    with contextlib.suppress(FileNotFoundError):
        target.rename(former)
    temporary.rename(target)
    shutil.rmtree(former, ignore_errors=True)
