"""The folder of imported data sets, which is never trimmed: NAME/DIGEST OF THE SOURCE FILES/."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import platformdirs

from brainbench.storage import files

ENVIRONMENT = "BRAINBENCH_DATA"
CHOOSE = f"set {ENVIRONMENT} to"


def data_folder() -> Path:
    """Return the folder of the imported data sets: BRAINBENCH_DATA, or the user's data folder."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named or platformdirs.user_data_dir("brainbench", False)).expanduser()


def writing(target: Path) -> contextlib.AbstractContextManager[Path]:
    """Yield a temporary folder that replaces `target` when the block ends; CacheError as in `new_folder`."""
    return files.new_folder(target, choose=CHOOSE)
