"""Weights that the authors of a model released: from the cache, else from the network, checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.core.provenance import sha256
from brainbench.data.fetch import DownloadError, download
from brainbench.models import checkpoints as checkpoint
from brainbench.models.checkpoints import State
from brainbench.storage import cache as caches
from brainbench.storage.cache import Cache

MIRROR = "BRAINBENCH_WEIGHTS_URL"
"""Environment variable: a folder on the network that holds the same files."""
KIND = "weights"
_FORMAT = "weights-1"
_SUFFIX = ".safetensors"

_asked: dict[tuple[str, str], str] = {}  # why a file did not come: a process asks for it once


@dataclass(frozen=True, kw_only=True)
class Released:
    """A file of weights on the network, kept in the cache as safetensors.

    Parameters
    ----------
    model : str
        Whose weights.
    folder : str
        URL of the folder; the environment variable BRAINBENCH_WEIGHTS_URL names a mirror.
    file : str
        Its name there.
    sha256 : str
        First hex digits, at least eight, of the file's SHA-256.
    """

    model: str
    folder: str
    file: str
    sha256: str

    @property
    def url(self) -> str:
        """Where the file is asked for."""
        return f"{(os.environ.get(MIRROR) or self.folder).rstrip('/')}/{self.file}"

    @property
    def page(self) -> str:
        """Where the authors keep the file, whatever mirror is in use."""
        return f"{self.folder}/{self.file}"

    @property
    def key(self) -> str:
        """What the cache calls the converted weights; a mirror gives the same file."""
        return sha256(_FORMAT, self.model, self.sha256)

    def obtain(self, store: Cache | None = None) -> Path:
        """Safetensors file in the cache; downloaded, checked and converted where it is not there yet.

        Raises
        ------
        DownloadError
            The file did not come, or is another one.
        InputError
            The file is the right one, and is no checkpoint that can be read safely.
        CacheError
            The cache cannot be written.
        """
        store = store or caches.default()
        found = store.find(KIND, self.key, _SUFFIX)
        if found is not None:
            return found
        with store.lock(KIND, self.key):
            # Another process may have made it meanwhile.
            if store.find(KIND, self.key, _SUFFIX) is None:
                self._convert(store)
        return store.path(KIND, self.key, _SUFFIX)

    def _convert(self, store: Cache) -> None:
        with store.writing(KIND, self.key, _SUFFIX) as target:
            # Ends as the cache's own do, so that it is swept up after a process that was killed.
            raw = target.with_name(f"{target.name}.raw.tmp")
            try:
                whole = download(self.url, raw, checksum=f"sha256:{self.sha256}")
                state = checkpoint.read(raw, name=self.url)
            finally:
                raw.unlink(missing_ok=True)
            about = {"model": self.model, "url": self.url, "sha256": whole}
            checkpoint.write(state, target, about=about)

    def state(self, store: Cache | None = None) -> State:
        """Weights by name; errors as in `obtain`."""
        return checkpoint.read(self.obtain(store))

    def why_not(self, store: Cache | None = None) -> str | None:
        """Why the weights cannot be had; None where they are in the cache now.

        The network is asked once in a process: the answer is kept. A mirror or a cache folder that
        changes meanwhile is another question.

        Raises
        ------
        CacheError
            The cache cannot be written.
        """
        store = store or caches.default()
        question = (self.url, self.sha256)
        if question in _asked and store.find(KIND, self.key, _SUFFIX) is None:
            return _asked[question]
        try:
            self.obtain(store)
        except (DownloadError, InputError) as error:
            _asked[question] = error.got
            return error.got
        return None

    def fallback(self, store: Cache | None = None) -> str | None:
        """Why untrained weights are used instead, which the user is told too; None where they are here."""
        reason = self.why_not(store)
        if reason is None:
            return None
        progress.current().note(
            f"{self.model}: no trained weights ({reason}); going on with untrained ones"
        )
        return f"no trained weights: {reason}"
