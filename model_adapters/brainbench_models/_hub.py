"""Files of repositories of the Hugging Face hub: from the cache of its client, or downloaded by it."""

from __future__ import annotations

import importlib
from pathlib import Path

from brainbench.data.fetch import OFFLINE, check_reachable, offline
from brainbench.data.transfer import SILENCE_SECONDS, DownloadError


def hub_file(repository: str, file: str) -> Path:
    """Return a file of a repository, from the cache of the hub's client or downloaded.

    Certificates are verified. DownloadError for a download that failed or is not allowed, and for a file that
    the repository does not have.
    """
    hub = importlib.import_module("huggingface_hub")
    cached = hub.try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    if offline():
        raise _download_error(repository, file, f"{OFFLINE} is set")
    endpoint = hub_endpoint()
    check_reachable(endpoint)  # the hub's own client tries six times
    try:
        return Path(
            hub.hf_hub_download(repository, file, etag_timeout=SILENCE_SECONDS, endpoint=endpoint)
        )
    except Exception as error:  # errors of the hub, of its HTTP library, of sockets and files
        raise _download_error(repository, file, type(error).__name__) from error


def hub_endpoint() -> str:
    """Return the URL of the hub; the environment variable HF_ENDPOINT names another."""
    url: str = importlib.import_module("huggingface_hub.constants").ENDPOINT
    return url


def hub_cache() -> str:
    """Return the folder in which the hub's client keeps files; HF_HUB_CACHE names another."""
    folder: str = importlib.import_module("huggingface_hub.constants").HF_HUB_CACHE
    return folder


def _download_error(repository: str, file: str, reason: str) -> DownloadError:
    return DownloadError(
        f"{file} of {repository} could not be downloaded from the Hugging Face hub ({reason})",
        allowed=f"a repository that has this file and can be reached, or is in the cache {hub_cache()}",
        todo="check the network, give a file with --weights FILE.safetensors, or use untrained-0",
    )
