"""Weights that the authors of a model released: taken from the cache, or downloaded and checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from brainbench.core.errors import InputError
from brainbench.core.provenance import sha256
from brainbench.data.fetch import DownloadError, download
from brainbench.models import checkpoints
from brainbench.models.checkpoint_files import State
from brainbench.storage import cache as caches
from brainbench.storage.cache import Cache

MIRROR = "BRAINBENCH_WEIGHTS_URL"  # environment variable: URL of a folder that holds the same files
KIND = "weights"
_FORMAT = "weights-1"
_SUFFIX = ".safetensors"

failures: dict[tuple[str, str], str] = {}
"""(URL, SHA-256) -> why the download failed; each is tried once in a process."""


@dataclass(frozen=True, kw_only=True)
class ReleasedWeights:
    """A file of weights of a model at a URL, kept in the cache as safetensors."""

    model: str
    folder: str
    file: str
    sha256: str  # the first digits, at least eight

    @property
    def url(self) -> str:
        """URL of the file, at the mirror if one is set."""
        return f"{(os.environ.get(MIRROR) or self.folder).rstrip('/')}/{self.file}"

    @property
    def page(self) -> str:
        """URL of the file at its authors', whatever mirror is set."""
        return f"{self.folder}/{self.file}"

    @property
    def key(self) -> str:
        """Key of the converted weights in the cache; the same for every mirror."""
        return sha256(_FORMAT, self.model, self.sha256)

    def obtain(self) -> Path:
        """Return the safetensors file in the cache; download, check and convert it first if absent.

        Errors: DownloadError (no download, or another file), InputError (a file that cannot be read safely),
        CacheError (a cache that cannot be written).
        """
        store = caches.default()
        if store.find(KIND, self.key, _SUFFIX) is None:
            with store.lock(KIND, self.key):
                # Another process may have made it meanwhile.
                if store.find(KIND, self.key, _SUFFIX) is None:
                    self._convert(store)
        return store.path(KIND, self.key, _SUFFIX)

    def _convert(self, store: Cache) -> None:
        with store.writing(KIND, self.key, _SUFFIX) as target:
            # The suffix of the cache's own temporary files: removed later if this process is killed.
            raw = target.with_name(f"{target.name}.raw.tmp")
            try:
                full_sha256 = download(self.url, raw, checksum=f"sha256:{self.sha256}")
                state = checkpoints.read(raw, name=self.url)
            finally:
                raw.unlink(missing_ok=True)
            about = {"model": self.model, "url": self.url, "sha256": full_sha256}
            checkpoints.write(state, target, about=about)

    def state(self) -> State:
        """Return the weights by name; errors as in `obtain`."""
        return checkpoints.read(self.obtain())

    def unavailable_reason(self) -> str | None:
        """Return why the weights cannot be had, or None; a failed download is not repeated in a process."""
        source = (self.url, self.sha256)
        if source in failures and caches.default().find(KIND, self.key, _SUFFIX) is None:
            return failures[source]
        try:
            self.obtain()
        except (DownloadError, InputError) as error:
            failures[source] = error.got
            return error.got
        return None
