"""Weights that the authors of a model released: taken from the cache, or downloaded and checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import safetensors

from brainbench.core.errors import InputError
from brainbench.core.provenance import sha256
from brainbench.data.fetch import download
from brainbench.data.transfer import DownloadError, redacted
from brainbench.models import checkpoints
from brainbench.models.checkpoint_files import State
from brainbench.storage import cache as caches
from brainbench.storage import files
from brainbench.storage.cache import Cache

MIRROR = "BRAINBENCH_WEIGHTS_URL"  # environment variable: URL of a folder that holds the same files
KIND = "weights"
MAX_BYTES = 1_000_000_000  # of a file; the largest that is known has 214 MB
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
        return store.obtain(KIND, self.key, [_SUFFIX], partial(self._convert, store))[_SUFFIX]

    def _convert(self, store: Cache) -> None:
        with (
            store.writing(KIND, self.key, _SUFFIX) as target,
            files.temporary(target, folder=store.folder, choose=caches.CHOOSE) as raw,
        ):
            full_sha256 = download(
                self.url, raw, checksum=f"sha256:{self.sha256}", max_bytes=MAX_BYTES
            )
            state = checkpoints.read(raw, name=redacted(self.url))
            about = {"model": self.model, "url": redacted(self.url), "sha256": full_sha256}
            checkpoints.write(state, target, about=about)

    def state(self) -> State:
        """Return the weights by name; errors as in `obtain`."""
        return checkpoints.read(self.obtain())

    def checked_by(self) -> tuple[str, ...]:
        """Return a remark for the record where only some digits of the checksum are published; else none."""
        if len(self.sha256) == 64:
            return ()
        with safetensors.safe_open(self.obtain(), framework="np") as stored:
            whole = (stored.metadata() or {}).get("sha256", "unknown")
        return (
            f"weak check of the weights: only the first {len(self.sha256)} hex digits of their SHA-256 "
            f"are published, {self.sha256}; that of the file is {whole}",
        )

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
