"""Fetching data sets from a server on this machine that cuts, lies, stalls, redirects and refuses."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import brainbench_fake
import cowley_files
import pytest
from server import Served, refusing, serving, silent

from brainbench.core import progress, registry
from brainbench.core.errors import CacheError, DataAbsentError, InputError
from brainbench.data import fetch, fetch_dataset, transfer
from brainbench.data.fetch_dataset import MIRROR, LicenseError, Request
from brainbench.data.integrity import verify_imported
from brainbench.data.manifest import manifest, open_dataset
from brainbench.data.transfer import AccessDeniedError, DownloadError, Limits
from brainbench_manifests import NAMES

CONTENTS = {"a/one.bin": b"one" * 50_000, "a/two.bin": b"two" * 70_000, "three.csv": b"id\n1\n"}
QUICK = Limits(total=20, silence=1, tries=2)
Fetch = Callable[..., Path]


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(fetch.OFFLINE, raising=False)
    monkeypatch.delenv(MIRROR, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def served() -> Iterator[Served]:
    with serving() as served:
        for path, content in CONTENTS.items():
            served.files[f"/{path}"] = content
            served.ranges.add(f"/{path}")
        yield served


def table_of(url: str, **more: Any) -> dict[str, Any]:
    files = [
        {
            "path": path,
            "url": f"{url}/{path}",
            "bytes": len(content),
            "checksum": f"sha1:{hashlib.sha1(content, usedforsecurity=False).hexdigest()}",
        }
        for path, content in CONTENTS.items()
    ]
    return {
        "name": "Study",
        "title": "Invented files",
        "license": "CC0",
        "citation": "Nobody, 2026",
        "files": files,
        **more,
    }


@pytest.fixture
def declare(plugin: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], None]:
    def declare_(table: dict[str, Any]) -> None:
        monkeypatch.setattr(brainbench_fake, "MANIFEST", table)
        monkeypatch.setattr(
            brainbench_fake, "data", lambda: {table["name"]: "brainbench_fake:MANIFEST"}
        )

    return declare_


@pytest.fixture
def get(served: Served, declare: Callable[[dict[str, Any]], None]) -> Fetch:
    def get_(request: Request | None = None, **more: Any) -> Path:
        declare(table_of(served.url, **more))
        request = request or Request()
        return fetch_dataset.fetch_dataset("Study", replace(request, limits=QUICK))

    return get_


def assert_whole(folder: Path, paths: Iterator[str] | Any = CONTENTS) -> None:
    """Exactly these files are kept, whole, and nothing is left of the way there."""
    for path in paths:
        assert (folder / path).read_bytes() == CONTENTS[path]
    assert {finding.state for finding in verify_imported()} == {"sound"}
    assert len(list(verify_imported())) == len(list(paths))
    assert not (folder.parent / fetch_dataset.UNFINISHED).exists()


def test_files_come_and_are_verified(get: Fetch, served: Served) -> None:
    folder = get()
    assert_whole(folder)
    assert open_dataset("Study").absent() is None
    assert sorted(served.asked) == sorted(f"/{path}" for path in CONTENTS)
    get()
    assert len(served.asked) == len(CONTENTS)  # nothing is asked for twice


def test_a_server_that_cuts_every_answer(get: Fetch, served: Served) -> None:
    served.cut["/a/two.bin"] = 50_000
    assert_whole(get())
    assert served.asked_ranges.count("bytes=100000-") == 1


def test_a_fetch_that_failed_goes_on(get: Fetch, served: Served, tmp_path: Path) -> None:
    served.cut["/a/two.bin"] = 50_000
    served.files.pop("/three.csv")
    with pytest.raises(DownloadError, match=r"three\.csv") as caught:
        get()
    assert "brainbench data fetch Study" in caught.value.todo
    served.cut.clear()
    served.files["/three.csv"] = CONTENTS["three.csv"]
    asked = len(served.asked)
    assert_whole(get())
    assert len(served.asked) <= asked + len(CONTENTS)


def test_a_file_that_lies_is_kept_aside_and_never_used(get: Fetch, served: Served) -> None:
    wrong = bytes(len(CONTENTS["a/one.bin"]))
    served.files["/a/one.bin"] = wrong
    with pytest.raises(InputError, match=r"one\.bin") as caught:
        get()
    aside = fetch_dataset.data_folder() / "Study" / fetch_dataset.REJECTED / "a/one.bin"
    assert str(aside) in caught.value.got
    assert hashlib.sha1(CONTENTS["a/one.bin"], usedforsecurity=False).hexdigest() in (
        caught.value.allowed
    )
    assert aside.read_bytes() == wrong
    assert open_dataset("Study").absent() is not None
    assert list(verify_imported()) == []
    served.files["/a/one.bin"] = CONTENTS["a/one.bin"]
    assert_whole(get())


def test_what_was_left_of_another_file_is_not_taken(get: Fetch, served: Served) -> None:
    left = fetch_dataset.data_folder() / "Study" / fetch_dataset.UNFINISHED / "a/.one.bin.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"another file" * 1000)
    assert_whole(get())
    assert served.asked.count("/a/one.bin") == 2


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_of_another_size_than_was_published(
    served: Served, declare: Any, change: int
) -> None:
    table = table_of(served.url)
    del table["files"][0]["checksum"]
    content = CONTENTS["a/one.bin"]
    served.files["/a/one.bin"] = content[:-1] if change < 0 else content + b"x"
    declare(table)
    with pytest.raises((InputError, DownloadError), match=r"one\.bin"):
        fetch_dataset.fetch_dataset("Study", Request(limits=QUICK))
    assert open_dataset("Study").absent() is not None


def test_a_mirror_of_the_manifest_is_asked_next(served: Served, declare: Any) -> None:
    table = table_of(refusing())
    for file in table["files"]:
        file["mirrors"] = [f"{served.url}/{file['path']}"]
    declare(table)
    assert_whole(fetch_dataset.fetch_dataset("Study", Request(limits=QUICK)))


def test_a_stalling_server_is_left_for_its_mirror(served: Served, declare: Any) -> None:
    with silent() as stalling:
        table = table_of(stalling.url)
        table["files"] = table["files"][:1]
        table["files"][0]["mirrors"] = [f"{served.url}/a/one.bin"]
        declare(table)
        limits = replace(QUICK, silence=0.1)
        folder = fetch_dataset.fetch_dataset("Study", Request(limits=limits))
    assert_whole(folder, ["a/one.bin"])


def test_a_redirect_and_the_version_of_an_object(served: Served, declare: Any) -> None:
    table = table_of(served.url)
    table["files"][0] |= {"url": f"{served.url}/moved", "version_id": "a.b/c"}
    served.redirects["/moved?versionId=a.b%2Fc"] = "/a/one.bin"
    declare(table)
    assert_whole(fetch_dataset.fetch_dataset("Study", Request(limits=QUICK)))


@pytest.mark.parametrize("kind", ["folder", "url"])
def test_a_mirror_of_ones_own_is_asked_first(
    get: Fetch, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    if kind == "folder":
        for path, content in CONTENTS.items():
            (tmp_path / "stick/Study" / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "stick/Study" / path).write_bytes(content)
        monkeypatch.setenv(MIRROR, str(tmp_path / "stick"))
    else:
        served.files |= {f"/mirror/Study/{path}": content for path, content in CONTENTS.items()}
        monkeypatch.setenv(MIRROR, f"{served.url}/mirror")
    assert_whole(get())
    assert not [path for path in served.asked if "mirror" not in path]


def test_a_wrong_file_on_a_stick_is_left_there_and_the_server_asked(
    get: Fetch, tmp_path: Path
) -> None:
    (tmp_path / "three.csv").write_bytes(b"id\n2\n")
    assert_whole(get(Request(source=str(tmp_path))))
    assert (tmp_path / "three.csv").read_bytes() == b"id\n2\n"


@pytest.mark.parametrize("by", ["option", "environment"])
def test_offline_says_what_is_missing(
    get: Fetch, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    (tmp_path / "three.csv").write_bytes(CONTENTS["three.csv"])
    if by == "environment":
        monkeypatch.setenv(fetch.OFFLINE, "1")
    request = Request(source=str(tmp_path), offline=by == "option")
    with pytest.raises(DataAbsentError, match="2 of 3") as caught:
        get(request)
    assert "a/one.bin" in caught.value.got
    assert "three.csv" not in caught.value.got
    for path in ("one.bin", "two.bin"):
        (tmp_path / path).write_bytes(CONTENTS[f"a/{path}"])
    assert_whole(get(request))
    assert served.asked == []


def test_restrictive_terms_are_accepted_once(get: Fetch, served: Served, tmp_path: Path) -> None:
    terms = {"restrictive": True, "license": "for looking only"}
    with pytest.raises(LicenseError, match="for looking only") as caught:
        get(**terms)
    assert "--accept-license" in caught.value.todo
    assert served.asked == []
    folder = get(Request(accept_license=True), **terms)
    fetch_dataset.files.remove(folder)
    assert_whole(get(**terms))
    fetch_dataset.files.remove(folder)
    with pytest.raises(LicenseError):
        get(restrictive=True, license="other terms")


@pytest.mark.parametrize("alternative", ["StudyPublic", None])
def test_a_private_file_names_the_public_alternative(
    get: Fetch, served: Served, alternative: str | None
) -> None:
    served.status["/a/one.bin"] = [403] * 5
    with pytest.raises(AccessDeniedError, match="403") as caught:
        get(access="credentials", alternative=alternative)
    assert ("brainbench data fetch StudyPublic" in caught.value.allowed) is bool(alternative)
    assert "brainbench data import Study --from DIR" in caught.value.todo


def test_a_data_set_without_addresses_says_whom_to_ask(declare: Any) -> None:
    declare(table_of("http://127.0.0.1", files=[], access="on request", place="write to Nobody"))
    with pytest.raises(DataAbsentError, match="on request") as caught:
        fetch_dataset.fetch_dataset("Study")
    assert caught.value.todo == "write to Nobody"


def test_some_files_and_later_the_others(get: Fetch, served: Served) -> None:
    assert_whole(get(Request(only="a/*")), ["a/one.bin", "a/two.bin"])
    asked = len(served.asked)
    assert_whole(get())
    assert len(served.asked) == asked + 1
    with pytest.raises(DataAbsentError, match="nothing like it"):
        get(Request(only="nothing like it"))


def test_the_limit_of_size(served: Served, declare: Any) -> None:
    declare(table_of(served.url))
    limits = replace(QUICK, nbytes=100_000)
    with pytest.raises(DownloadError, match="100000"):
        fetch_dataset.fetch_dataset("Study", Request(limits=limits))


def test_a_data_folder_that_cannot_be_made(
    get: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(CacheError):
        get()


class Bars:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.opened: list[tuple[str, int]] = []
        self.done = 0

    @contextlib.contextmanager
    def task(self, label: str, total: int) -> Iterator[progress.Advance]:
        self.opened.append((label, total))
        yield self._advance

    def _advance(self, n: int) -> None:
        self.done += n

    def note(self, text: str) -> None:
        pass


def test_one_bar_for_all_files(get: Fetch, served: Served) -> None:
    bars = Bars()
    with progress.use(bars):
        get()
    [(label, total)] = bars.opened
    assert "Study" in label
    assert (total, bars.done) == (300, 300)


@pytest.mark.parametrize("mirror", ["nowhere", "ftp://127.0.0.1/x"])
def test_a_folder_that_does_not_exist(get: Fetch, served: Served, mirror: str) -> None:
    with pytest.raises(InputError, match=mirror):
        get(Request(source=mirror))
    assert served.asked == []


def test_two_fetches_of_one_data_set_do_not_meet(get: Fetch, served: Served) -> None:
    place = fetch_dataset.data_folder() / "Study"
    with fetch_dataset._alone(place, "Study"), pytest.raises(InputError, match="Study"):
        get()
    assert_whole(get())


@pytest.mark.slow
def test_files_under_the_names_of_every_bundled_manifest(served: Served, declare: Any) -> None:
    content = b"the same for all"
    served.files["/file"] = content
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    known = {"url": f"{served.url}/file", "bytes": len(content), "checksum": checksum}
    without_reader = [one for one in map(manifest, NAMES) if one.has_files and not one.loader]
    for one in without_reader:
        table = one.model_dump(mode="json", exclude={"repositories", "files"}, exclude_none=True)
        table |= {"name": f"CopyOf{one.name}"}
        table["files"] = [{"path": file.path, **known} for file in one.published_files()]
        declare(table)
        registry.entries.cache_clear()
        fetch_dataset.fetch_dataset(table["name"], Request(limits=QUICK, accept_license=True))
        found = list(verify_imported(table["name"]))
        assert len(found) == len(table["files"])
        assert {finding.state for finding in found} == {"sound"}


def test_files_of_a_data_set_with_a_reader_are_imported(
    served: Served, tmp_path: Path, declare: Any
) -> None:
    published = cowley_files.write(tmp_path / "published")
    small = cowley_files.declare(published)
    paths = [
        path.relative_to(published).as_posix() for path in published.rglob("*") if path.is_file()
    ]
    files = [{"path": path, "url": f"{served.url}/{path}"} for path in paths]
    served.files |= {f"/{path}": (published / path).read_bytes() for path in paths}
    loader = "brainbench.data.importers.cowley:cowley"
    parameters = small.declared.model_dump(mode="json")
    declare(table_of(served.url, files=files, loader=loader, parameters=parameters))
    fetch_dataset.fetch_dataset("Study", Request(limits=QUICK))
    data = open_dataset("Study")
    assert data.absent() is None
    assert data.command == "brainbench data fetch Study"
    assert len(data.stimuli()) == sum(n for _, n, _ in cowley_files.SIZES.values())
    assert not (data.folder.parent / fetch_dataset.UNFINISHED).exists()
    damaged = data.folder / data.kept[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    fetch_dataset.fetch_dataset("Study", Request(limits=QUICK))
    assert {finding.state for finding in verify_imported()} == {"sound"}
    with pytest.raises(InputError, match="--only"):
        fetch_dataset.fetch_dataset("Study", Request(only="*"))


def test_files_are_imported_from_a_folder(served: Served, tmp_path: Path, declare: Any) -> None:
    declare(table_of(served.url))
    data = open_dataset("Study")
    for path, content in CONTENTS.items():
        with pytest.raises(DataAbsentError, match=Path(path).name):
            data.import_from(tmp_path)
        (tmp_path / Path(path).name).write_bytes(content)
    assert_whole(data.import_from(tmp_path))
    (tmp_path / "one.bin").write_bytes(b"other")
    with pytest.raises(InputError, match=r"one\.bin"):
        data.import_from(tmp_path)
    assert_whole(data.folder)  # the former import stays
    for read in (data.stimuli, partial(data.recordings, "IT")):
        with pytest.raises(InputError, match="Study"):
            read()
