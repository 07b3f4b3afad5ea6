"""Which weights cornet_s gets: by name, downloaded, from a file, or untrained."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from damages import DAMAGES
from known import benchmark, brain
from recorded_notes import RecordedNotes
from server import Served, Stopwatch, refusing, serving, silent
from steps import same_weights
from torch import nn

from brainbench import api, load_model
from brainbench.core import progress
from brainbench.core.errors import CacheError, InputError
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.data import fetch
from brainbench.data.transfer import DownloadError
from brainbench.models import checkpoints
from brainbench.models.network import TorchNetwork
from brainbench.run.resolve import Job
from brainbench_models import _released_weights as released_weights
from brainbench_models import cornet_s as cornet_module
from brainbench_models.cornet_s import CORnetS, cornet_s

AUTHORS = cornet_module.RELEASED
NARROW = (4, 8, 8, 16)


def saved(net: nn.Module, **more: Any) -> bytes:
    """Bytes of a file as the authors' program writes it."""
    parallel = nn.DataParallel(net)
    optimizer = torch.optim.SGD(parallel.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    state = parallel.state_dict()
    old = {key: value for key, value in state.items() if "num_batches" not in key}
    content = {
        "flags": {"model": "S", "epochs": 43, "lr": 0.1, "output_path": None},
        "epoch": 43,
        "state_dict": old,
        "optimizer": optimizer.state_dict(),
        **more,
    }
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def release(content: bytes, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make `content` what the authors released; return its path at the server."""
    digits = hashlib.sha256(content).hexdigest()[:8]
    file = f"cornet_s-{digits}.pth"
    monkeypatch.setattr(cornet_module, "RELEASED", replace(AUTHORS, file=file, sha256=digits))
    return f"/{file}"


@pytest.fixture(autouse=True)
def _small_and_online(cache_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A narrow network and its own cache; the only server is a closed port."""
    monkeypatch.delenv(fetch.OFFLINE)
    monkeypatch.setattr(cornet_module, "CORnetS", partial(CORnetS, channels=NARROW))
    monkeypatch.setattr(released_weights, "failures", {})
    monkeypatch.setenv(released_weights.MIRROR, refusing())


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serving() as served:
        monkeypatch.setenv(released_weights.MIRROR, f"{served.url}/")
        yield served


@pytest.fixture
def good(served: Served, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A network whose weights are released, and served."""
    net = untrained(5)
    content = saved(net)
    served.files[release(content, monkeypatch)] = content
    return net


@pytest.fixture
def notes() -> Iterator[list[str]]:
    reporter = RecordedNotes()
    with progress.use(reporter):
        yield reporter.notes


def net_of(model: Any) -> nn.Module:
    assert isinstance(model.network, TorchNetwork)
    return model.network.net


def untrained(seed: int) -> nn.Module:
    return net_of(cornet_s(weights=f"untrained-{seed}"))


def cached(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_the_authors_file() -> None:
    assert AUTHORS.folder == "https://s3.amazonaws.com/cornet-models"
    assert (AUTHORS.file, AUTHORS.sha256) == ("cornet_s-1d3f7974.pth", "1d3f7974")


def test_a_mirror_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(released_weights.MIRROR)
    assert AUTHORS.url == "https://s3.amazonaws.com/cornet-models/cornet_s-1d3f7974.pth"
    monkeypatch.setenv(released_weights.MIRROR, "https://mirror.example/weights/")
    assert AUTHORS.url == "https://mirror.example/weights/cornet_s-1d3f7974.pth"


@pytest.mark.parametrize("asked_for", ["imagenet", "auto"])
def test_a_good_file(good: nn.Module, asked_for: str, notes: list[str]) -> None:
    model = cornet_s(weights=asked_for)
    assert same_weights(net_of(model), good)
    assert (model.name, model.weights) == ("cornet_s@imagenet", "imagenet")
    assert notes == []


def test_later_runs_need_neither_network_nor_pickle(
    good: nn.Module, served: Served, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = cornet_s(weights="imagenet")
    (kept,) = cached(cache_folder)
    assert (kept.parent.name, kept.suffix) == ("weights", ".safetensors")

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(torch, "load", never)
    monkeypatch.setattr(released_weights, "download", never)
    monkeypatch.setenv(fetch.OFFLINE, "1")
    for weights in ("imagenet", "auto"):
        again = cornet_s(weights=weights)
        assert (again.name, again.digest) == (first.name, first.digest)
    assert len(served.asked) == 1


def _wrong_hash(path: str, content: bytes, served: Served) -> None:
    served.files[path] = content[:-1] + bytes([content[-1] ^ 1])


def _truncated(path: str, content: bytes, served: Served) -> None:
    served.files[path] = content[: len(content) // 2]
    served.announce[path] = len(content)


def _gone(path: str, content: bytes, served: Served) -> None:
    pass


BAD: dict[str, tuple[Callable[[str, bytes, Served], None], str]] = {
    "wrong hash": (_wrong_hash, "sha256"),
    "truncated": (_truncated, "broke off"),
    "gone": (_gone, "404"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file(
    case: str,
    served: Served,
    notes: list[str],
    cache_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = saved(untrained(5))
    path = release(content, monkeypatch)
    prepare, named = BAD[case]
    prepare(path, content, served)
    with pytest.raises(DownloadError, match=named):
        cornet_s(weights="imagenet")
    assert cached(cache_folder) == []
    model = cornet_s(weights="auto")
    assert model.name == "cornet_s@untrained-0"
    (note,) = notes
    for name in ("cornet_s", f"{served.url}{path}", named):
        assert name in note
    assert cached(cache_folder) == []


def test_a_bad_file_is_replaced_by_a_good_one(good: nn.Module, served: Served) -> None:
    (path,) = served.files
    content = served.files.pop(path)
    with pytest.raises(DownloadError):
        cornet_s(weights="imagenet")
    served.files[path] = content
    assert same_weights(net_of(cornet_s(weights="imagenet")), good)
    assert cornet_s(weights="auto").weights == "imagenet"


class Runs:
    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.mark,)


def test_a_pickle_that_would_run_code(
    served: Served,
    notes: list[str],
    cache_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its checksum is right: what a few digits promise is not enough.
    content = saved(untrained(5), epoch=Runs(tmp_path / "mark"))
    path = release(content, monkeypatch)
    served.files[path] = content
    url = re.escape(f"{served.url}{path}")
    with pytest.raises(InputError, match=rf"{url} .*{os.name}\.mkdir"):
        cornet_s(weights="imagenet")
    assert cornet_s(weights="auto").name == "cornet_s@untrained-0"
    assert f"{os.name}.mkdir" in notes[0]
    assert not (tmp_path / "mark").exists()
    assert cached(cache_folder) == []


def test_a_server_that_never_answers(notes: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    quick = partial(fetch.download, silence_seconds=0.2)
    monkeypatch.setattr(released_weights, "download", quick)
    with silent() as nobody:
        monkeypatch.setenv(released_weights.MIRROR, nobody.url)
        assert cornet_s().name == "cornet_s@untrained-0"
        with pytest.raises(DownloadError, match=r"0\.2 s"):
            cornet_s(weights="imagenet")
    assert "0.2 s" in notes[0]


def test_no_network(notes: list[str], cache_folder: Path) -> None:
    watch = Stopwatch()
    model = cornet_s()
    assert watch.seconds < 3
    assert (model.name, model.weights) == ("cornet_s@untrained-0", "untrained-0")
    assert model.digest == cornet_s(weights="untrained").digest
    reason = model.notes[0].partition(": ")[2]
    assert "127.0.0.1" in reason
    assert reason in notes[0]
    assert cornet_s(weights="untrained").notes == ()
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1"):
        cornet_s(weights="imagenet")


def test_the_network_is_asked_once_in_a_process(served: Served, notes: list[str]) -> None:
    for _ in range(3):
        assert cornet_s().weights == "untrained-0"
    assert len(served.asked) == 1
    assert len(notes) == 3
    assert len(set(notes)) == 1


def test_a_file_that_another_process_has_cached_is_used(good: nn.Module, served: Served) -> None:
    ((path, content),) = served.files.items()
    served.files.clear()
    assert cornet_s().weights == "untrained-0"
    served.files[path] = content
    cornet_module.RELEASED.obtain()
    assert cornet_s().weights == "imagenet"


def test_offline_asks_nobody(
    good: nn.Module, served: Served, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fetch.OFFLINE, "1")
    assert cornet_s().weights == "untrained-0"
    assert "BRAINBENCH_OFFLINE" in notes[0]
    with pytest.raises(DownloadError, match="BRAINBENCH_OFFLINE"):
        cornet_s(weights="imagenet")
    assert served.asked == []


def test_the_weights_of_another_network(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(nn.Sequential(nn.Linear(2, 2)))
    served.files[release(content, monkeypatch)] = content
    with pytest.raises(InputError, match=r"cornet_s: .*IT\.conv1\.weight"):
        cornet_s(weights="imagenet")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_file(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = untrained(6)
    path = tmp_path / f"mine{suffix}"
    if suffix == ".pth":
        path.write_bytes(saved(net))
    else:
        checkpoints.write(net.state_dict(), path, about={})
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    model = cornet_s(weights=str(path))
    assert same_weights(net_of(model), net)
    assert (model.name, model.weights) == (f"cornet_s@file-{digits}", f"file-{digits}")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cornet_s(weights=f"~/mine{suffix}").name == model.name
    assert load_model(f"cornet_s@{path}").name == model.name


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pth"):
        cornet_s(weights=str(tmp_path / "none.pth"))


def test_trained_and_untrained_share_nothing(good: nn.Module, tmp_path: Path) -> None:
    mine = tmp_path / "mine.pth"
    mine.write_bytes(saved(untrained(6)))
    # The very tensors of untrained-0, and yet another name.
    alike = tmp_path / "alike.safetensors"
    checkpoints.write(untrained(0).state_dict(), alike, about={})
    choices = ("imagenet", "untrained", "untrained-1", str(mine), str(alike))
    models = [cornet_s(weights=weights) for weights in choices]
    assert len({model.name for model in models}) == 5
    assert len({model.weights for model in models}) == 5
    assert len({model.digest for model in models[:4]}) == 4


@pytest.mark.parametrize("name", sorted(DAMAGES)[::4])
def test_damaged_weights_are_downloaded_again(
    good: nn.Module, served: Served, cache_folder: Path, notes: list[str], name: str
) -> None:
    cornet_s(weights="imagenet")
    (kept,) = cached(cache_folder)
    other = shutil.copyfile(kept, kept.with_name("other"))
    other.write_bytes(other.read_bytes()[::-1])
    DAMAGES[name](kept, other)
    assert same_weights(net_of(cornet_s(weights="imagenet")), good)
    assert len(served.asked) == 2
    assert str(kept) in notes[0]


def test_the_cache_distinguishes_releases(good: nn.Module, cache_folder: Path) -> None:
    keys = {
        AUTHORS.key,
        replace(AUTHORS, sha256="00000000").key,
        replace(AUTHORS, model="cornet_z").key,
    }
    assert len(keys) == 3
    assert replace(AUTHORS, folder="https://mirror.example").key == AUTHORS.key
    assert cornet_module.RELEASED.obtain().is_relative_to(cache_folder)


def specs(*models: Any, **more: Any) -> list[api.ModelSpec]:
    return list(Job.of(list(models), "Simulated.IT-pls", Settings(), **more).models)


def test_weights_go_to_the_models_that_have_a_choice(notes: list[str]) -> None:
    listed = specs("cornet_s", "cornet_s@untrained-2", "pixels", weights="untrained-1")
    names = [spec.make().name for spec in listed]
    assert names == ["cornet_s@untrained-1", "cornet_s@untrained-2", "pixels"]
    (note,) = notes
    assert "pixels" in note


def test_weights_go_to_a_model_in_a_file(tmp_path: Path) -> None:
    mine = tmp_path / "mine.py"
    mine.write_text(
        "from brainbench_models.cornet_s import cornet_s\n"
        "def make(weights='untrained-3'):\n    return cornet_s(weights=weights)\n"
    )
    assert specs(f"{mine}:make")[0].make().weights == "untrained-3"
    assert specs(f"{mine}:make", weights="untrained-4")[0].make().weights == "untrained-4"


def test_weights_for_a_model_that_is_made_already() -> None:
    with pytest.raises(InputError, match="weights"):
        specs(cornet_s(weights="untrained"), weights="imagenet")


def test_weights_twice() -> None:
    with pytest.raises(InputError, match=r"model_args.* weights") as caught:
        specs("cornet_s", weights="imagenet", model_args={"weights": "untrained"})
    assert "--weights" in caught.value.todo


def test_a_score_says_which_weights(
    good: nn.Module, results_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = benchmark(brain(np.random.default_rng(0).standard_normal((20, 2))))

    def stored(weights: str) -> Any:
        made = api.score("cornet_s", on, weights=weights, results=results_folder)
        assert isinstance(made, Score)
        assert made.record is not None
        return made.model, made.weights, made.file, made.record.hashes["model"]

    trained, blank = stored("imagenet"), stored("untrained")
    assert trained[:2] == ("cornet_s@imagenet", "imagenet")
    assert blank[:2] == ("cornet_s@untrained-0", "untrained-0")
    assert trained[2] != blank[2]
    assert trained[3] != blank[3]
    assert stored("auto")[:3] == trained[:3]


def test_the_network_as_it_is(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cornet_module, "CORnetS", CORnetS)
    torch.manual_seed(5)
    net = CORnetS()
    content = saved(net)
    served.files[release(content, monkeypatch)] = content
    model = cornet_s(weights="imagenet")
    assert same_weights(net_of(model), net)
    assert isinstance(net_of(model), CORnetS)


def test_other_errors_are_not_taken_for_a_failed_download(
    good: nn.Module, cache_folder: Path
) -> None:
    cache_folder.parent.mkdir(exist_ok=True)
    cache_folder.write_text("a file where the folder should be")
    with pytest.raises(CacheError, match=re.escape(str(cache_folder))):
        cornet_s()


def test_a_weak_check_is_said(good: nn.Module, served: Served) -> None:
    """The authors publish eight digits; the record has those of the whole file, to be compared."""
    (content,) = served.files.values()
    (note,) = cornet_s(weights="imagenet").notes
    assert "8 hex digits" in note
    assert cornet_module.RELEASED.sha256 in note
    assert hashlib.sha256(content).hexdigest() in note


def test_a_whole_checksum_needs_no_remark(
    good: nn.Module, served: Served, monkeypatch: Any
) -> None:
    (content,) = served.files.values()
    whole = replace(cornet_module.RELEASED, sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(cornet_module, "RELEASED", whole)
    assert cornet_s(weights="imagenet").notes == ()


def test_no_password_of_a_mirror_is_kept(
    good: nn.Module, served: Served, cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = served.url.replace("//", "//anna:s3cret@")
    monkeypatch.setenv(released_weights.MIRROR, mirror)
    model = cornet_s(weights="imagenet")
    (kept,) = cached(cache_folder)
    assert b"s3cret" not in kept.read_bytes()
    assert "s3cret" not in repr((model.notes, model.about))
