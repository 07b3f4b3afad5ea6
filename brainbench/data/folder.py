"""The folder of imported data sets, which is never trimmed: NAME/DIGEST OF THE SOURCE FILES/."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from brainbench.storage import files

ENVIRONMENT = "BRAINBENCH_DATA"
CHOOSE = f"set {ENVIRONMENT} to"


def data_folder() -> Path:
    """Return the folder of the imported data sets: BRAINBENCH_DATA, or the user's data folder."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named or platformdirs.user_data_dir("brainbench", False)).expanduser()


@contextlib.contextmanager
def writing(target: Path) -> Iterator[Path]:
    """Yield a temporary folder that replaces `target` when the block ends; CacheError as in `new_folder`."""
    with files.new_folder(target, choose=CHOOSE) as temporary:
        try:
            yield temporary
        except RuntimeError as error:
            if not str(error).startswith("NetCDF"):
                raise
            raise OSError(str(error)) from error  # all that netCDF4 says of a full disk
