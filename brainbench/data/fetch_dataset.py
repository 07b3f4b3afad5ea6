"""Fetching a data set: its files in parallel, from mirrors too, checked by pooch and then imported."""

from __future__ import annotations

import contextlib
import fnmatch
import logging
import os
import shutil
import threading
import urllib.parse
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import filelock
import pooch

from brainbench.core import progress
from brainbench.core.dataset import Dataset, Importable
from brainbench.core.errors import BrainbenchError, DataAbsentError, InputError
from brainbench.data.fetch import OFFLINE, offline
from brainbench.data.files_only import KEPT, FilesOnly, link_or_copy, local_copy
from brainbench.data.folder import CHOOSE, data_folder
from brainbench.data.integrity import verify_imported
from brainbench.data.manifest import Manifest, PublishedFile, manifest, open_dataset
from brainbench.data.transfer import (
    AccessDeniedError,
    Control,
    DownloadError,
    Limits,
    redacted,
    state_of,
    transfer,
)
from brainbench.storage import files

MIRROR = "BRAINBENCH_MIRROR"
"""Environment variable: a folder, or the URL of one, with the published files; it is asked first."""
WORKERS = 4  # files at a time
LIMITS = Limits(total=6 * 3600.0, nbytes=50_000_000_000, tries=5)
UNFINISHED = ".fetching"
REJECTED = ".rejected"
ACCEPTED = ".license-accepted"


class LicenseError(InputError):
    """Files whose terms of use were not accepted."""


class _RejectedError(InputError):
    """A file that is not the published one."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of a fetch.

    `source` is a folder, or the URL of one, that is asked before the published addresses; `only` is a
    wildcard of paths, for a data set that nothing reads.
    """

    source: str | None = None
    accept_license: bool = False
    offline: bool = False
    only: str | None = None
    limits: Limits = LIMITS

    @property
    def mirror(self) -> str | None:
        """The folder or URL that is asked first."""
        return self.source or os.environ.get(MIRROR) or None


def fetch_dataset(name: str, request: Request = Request()) -> Path:
    """Get the files of a data set, check and import them, and return where they are.

    Files that are here and sound are not asked for again, and interrupted ones are resumed.

    Raises
    ------
    LicenseError
        Terms of use that must be accepted.
    DataAbsentError
        No addresses, or files that are missing without a network.
    DownloadError
        A file that cannot be had from any of its addresses; AccessDeniedError where the server refuses it.
    InputError
        A file with another checksum; it is kept aside and never used.
    CacheError
        A data folder that cannot be written, or a full disk.
    """
    declared = manifest(name)
    data = open_dataset(name)
    if not isinstance(data, Importable):
        raise InputError(
            f"data set {name!r} is not fetched ({data.command})",
            allowed="a data set whose files are published elsewhere",
            todo="see `brainbench data list`",
        )
    _check_request(name, request, files_only=isinstance(data, FilesOnly))
    listed = [
        file
        for file in declared.published_files()
        if request.only is None or fnmatch.fnmatchcase(file.path, request.only)
    ]
    if not listed:
        raise _no_addresses(declared, request)
    place = data_folder() / name
    damaged = {finding.path for finding in verify_imported(name) if finding.state == "damaged"}
    kept = {path for path in _kept(data) if place / KEPT / path not in damaged}
    whole = kept.issuperset(file.path for file in listed) or (not kept and data.absent() is None)
    if whole and not damaged:
        progress.current().note(f"{name} is here already")
        return place
    _check_license(declared, request)
    folder = place / UNFINISHED
    with _alone(place, name):
        for path in kept:  # a part of the files came before: all of them are kept together
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(place / KEPT / path, folder / path)
        _fetch_files(declared, listed, folder, request)
        wanted = {*kept, *(file.path for file in listed)}
        return _finish(data, declared, wanted, folder)


def _kept(data: Dataset) -> set[str]:
    """Return the paths of the files that are here of a data set that nothing reads."""
    if not isinstance(data, FilesOnly):
        return set()
    listed = data.declared.published_files()
    return {file.path for file in listed if (data.folder / file.path).is_file()}


def _check_request(name: str, request: Request, *, files_only: bool) -> None:
    """Raise InputError for a folder that does not exist, and for a part of what is imported as a whole."""
    mirror = request.mirror
    if mirror and not _is_url(mirror) and not Path(mirror).expanduser().is_dir():
        raise InputError(
            f"{mirror}: no such folder",
            allowed=f"a folder, or http(s)://..., in --from and {MIRROR}",
            todo="correct the path, or omit it",
        )
    if request.only is not None and not files_only:
        raise InputError(
            f"--only {request.only} of {name}",
            allowed="all files of a data set that is imported",
            todo="omit --only",
        )


def _no_addresses(declared: Manifest, request: Request) -> DataAbsentError:
    if request.only is not None:
        known = [file.path for file in declared.published_files()]
        return DataAbsentError(
            f"no file of {declared.name} is like {request.only}",
            allowed=", ".join(known[:12])
            + (f", ... ({len(known)} in all)" if len(known) > 12 else ""),
            todo="correct the wildcard",
        )
    return DataAbsentError(
        f"{declared.name} has no public addresses ({declared.access})",
        allowed=_alternative(declared) or "files that you have from its authors",
        todo=declared.place or f"ask the authors: {declared.citation}",
    )


def _alternative(declared: Manifest) -> str | None:
    if declared.alternative is None:
        return None
    return f"the public data set {declared.alternative}: `brainbench data fetch {declared.alternative}`"


def _check_license(declared: Manifest, request: Request) -> None:
    """Raise LicenseError unless restrictive terms are accepted, now or before."""
    if not declared.restrictive:
        return
    kept = data_folder() / declared.name / ACCEPTED
    if kept.is_file() and kept.read_text(encoding="utf-8") == declared.license:
        return
    if not request.accept_license:
        raise LicenseError(
            f"{declared.name} has terms of use: {declared.license}",
            allowed="files whose terms you accept",
            todo=f"read them, then run `brainbench data fetch {declared.name} --accept-license`",
        )
    with files.new_file(kept, choose=CHOOSE) as temporary:
        temporary.write_text(declared.license, encoding="utf-8")


@contextlib.contextmanager
def _alone(place: Path, name: str) -> Iterator[None]:
    """Hold the lock of a data set; InputError where another process fetches it."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(place / ".lock", timeout=0)
        with lock:
            yield
    except filelock.Timeout:
        raise InputError(
            f"{name} is being fetched by another process",
            allowed="one fetch of a data set at a time",
            todo="wait for the other one",
        ) from None
    except OSError as error:
        if isinstance(error, BrainbenchError):
            raise
        raise files.explain(error, place, choose=CHOOSE) from error


def _finish(data: Importable, declared: Manifest, wanted: Set[str], folder: Path) -> Path:
    """Import the files, and remove them where their import is another form of them."""
    if isinstance(data, FilesOnly):
        listed = tuple(file for file in declared.published_files() if file.path in wanted)
        chosen = declared.model_copy(update={"files": listed, "repositories": ()})
        data = replace(data, declared=chosen)
    place = data.import_from(folder)
    files.remove(folder)
    return place


class _Percent:
    """Percents of several files in one bar, from several threads."""

    def __init__(self, advance: progress.Advance) -> None:
        self._advance, self._lock = advance, threading.Lock()
        self._shown: dict[str, int] = {}

    def show(self, path: str, nbytes: int, size: int | None) -> None:
        """Show how much of a file is here; of an unknown size nothing, until all is."""
        percent = min(100, 100 * nbytes // size) if size else 0
        with self._lock:
            more = percent - self._shown.get(path, 0)
            if more > 0:
                self._shown[path] = percent
                self._advance(more)


@dataclass(frozen=True, kw_only=True)
class _Job:
    """What all files of one fetch share."""

    declared: Manifest
    folder: Path
    request: Request
    percent: _Percent
    stopped: threading.Event = field(default_factory=threading.Event)

    def addresses(self, file: PublishedFile) -> list[str]:
        """Return where a file may be had, in order: paths on this machine, and URLs."""
        mirror, found = self.request.mirror, []
        if mirror and _is_url(mirror):
            path = urllib.parse.quote(f"{self.declared.name}/{file.path}")
            found.append(f"{mirror.rstrip('/')}/{path}")
        elif mirror:
            local = local_copy(Path(mirror).expanduser(), self.declared.name, file)
            found += [str(local)] if local else []
        if self.request.offline or offline():
            return [address for address in found if not _is_url(address)]
        return [*found, *file.addresses]


def _is_url(address: str) -> bool:
    return urllib.parse.urlsplit(address).scheme in ("http", "https")


def _fetch_files(
    declared: Manifest, listed: Sequence[PublishedFile], folder: Path, request: Request
) -> None:
    """Get every file into a folder, several at a time; the first error stops the others."""
    logging.getLogger("pooch").setLevel(logging.WARNING)  # it reports every file
    pooch.get_logger().setLevel("WARNING")
    label = f"fetching {declared.name}, {len(listed)} files (% of each)"
    with progress.current().task(label, 100 * len(listed)) as advance:
        percent = _Percent(advance)
        job = _Job(declared=declared, folder=folder, request=request, percent=percent)
        _check_addresses(job, listed)
        with ThreadPoolExecutor(WORKERS) as pool:
            started = [pool.submit(partial(_fetch_file, job, file)) for file in listed]
            try:
                for done in as_completed(started):
                    done.result()
            except BaseException:
                job.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _check_addresses(job: _Job, listed: Sequence[PublishedFile]) -> None:
    """Raise DataAbsentError where files are missing that no place on this machine has."""
    missing = [
        file.path
        for file in listed
        if not job.addresses(file) and not (job.folder / file.path).is_file()
    ]
    if missing:
        more = f", ... ({len(missing)} in all)" if len(missing) > 12 else ""
        raise DataAbsentError(
            f"without a network {len(missing)} of {len(listed)} files of {job.declared.name} are "
            f"missing: {', '.join(missing[:12])}{more}",
            allowed="files in the folder that --from or BRAINBENCH_MIRROR names",
            todo=f"omit --offline and unset {OFFLINE}, or copy the files to a folder and give it with --from",
        )


def _fetch_file(job: _Job, file: PublishedFile) -> None:
    """Get one file from the first address that has it whole."""
    problems: list[BrainbenchError] = []
    for address in job.addresses(file) or [str(job.folder / file.path)]:
        try:
            _retrieve_anew(job, file, address)
        except (DownloadError, InputError) as error:
            if job.stopped.is_set():
                raise
            problems.append(error)
        else:
            job.percent.show(file.path, 100, 100)
            return
    raise _not_had(job, file, problems)


def _retrieve_anew(job: _Job, file: PublishedFile, address: str) -> None:
    """Get a file; from its beginning, if what was left of an earlier fetch has led to another file."""
    resumed = _part_of(job.folder / file.path).is_file()
    try:
        _retrieve(job, file, address)
    except _RejectedError:
        if not resumed or not _is_url(address):
            raise
        _retrieve(job, file, address)


def _part_of(target: Path) -> Path:
    """Return where the beginning of a file is kept until all of it is here."""
    return target.with_name(f".{target.name}.part")


def _retrieve(job: _Job, file: PublishedFile, address: str) -> None:
    """Let pooch get, check and move a file; what has another checksum is put aside."""
    target = job.folder / file.path
    part = _part_of(target)
    part.parent.mkdir(parents=True, exist_ok=True)
    nbytes = min(job.request.limits.nbytes, file.bytes or job.request.limits.nbytes)
    control = Control(
        progress=partial(job.percent.show, file.path),
        stopped=job.stopped,
        any_state=file.checksum is not None,
    )
    limits = replace(job.request.limits, nbytes=nbytes)
    download = _Downloader(part, limits, control, file.bytes)
    try:
        pooch.retrieve(
            address, file.checksum, fname=target.name, path=target.parent, downloader=download
        )
    except BrainbenchError:
        raise
    except ValueError as error:  # another checksum or size
        raise _put_aside(job, file, address, part) from error
    part.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Downloader:
    """What pooch calls to get a file: from a server, or from a folder on this machine."""

    part: Path
    limits: Limits
    control: Control
    nbytes: int | None

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Write a file to a path; its beginning is kept at `part` when a transfer breaks off.

        ValueError for a file of another size than was published.
        """
        output = Path(output_file)
        if _is_url(url):
            transfer(url, self.part, self.limits, self.control)
            output.unlink(missing_ok=True)
            link_or_copy(self.part, output)
        elif Path(url).absolute() != output.absolute():
            shutil.copyfile(url, output)
        if self.nbytes is not None and output.stat().st_size != self.nbytes:
            raise ValueError(f"{output.stat().st_size} bytes")


def _put_aside(job: _Job, file: PublishedFile, address: str, part: Path) -> _RejectedError:
    """Keep a file with another checksum where nothing reads it, and return the error."""
    size, where = (part if _is_url(address) else Path(address)).stat().st_size, "not used"
    if _is_url(address):
        aside = job.folder.with_name(REJECTED) / file.path
        aside.parent.mkdir(parents=True, exist_ok=True)
        os.replace(part, aside)
        state_of(part).unlink(missing_ok=True)
        where = f"kept aside as {aside}, never used"
    return _RejectedError(
        f"{redacted(address)}: {size} bytes, and not the published file ({where})",
        allowed=f"the file of {file.bytes or 'unknown'} bytes with {file.checksum or 'no checksum'}",
        todo="try again; if it stays so, the server has another file",
    )


def _not_had(
    job: _Job, file: PublishedFile, problems: Sequence[BrainbenchError]
) -> BrainbenchError:
    """Return the error of a file that no address has."""
    name = job.declared.name
    told = "; ".join(problem.got for problem in problems)
    denied = [problem for problem in problems if isinstance(problem, AccessDeniedError)]
    if denied:
        return AccessDeniedError(
            f"{file.path} of {name} is not public ({job.declared.access}): {told}",
            allowed=_alternative(job.declared) or "files that you have from its owners",
            todo=f"if you have the files, run `brainbench data import {name} --from DIR`",
        )
    kind = type(problems[-1])
    return kind(
        f"{file.path} of {name}: {told}",
        allowed=problems[-1].allowed,
        todo=f"{problems[-1].todo}; what is here already is kept, and "
        f"`brainbench data fetch {name}` goes on from there",
    )
