"""Weights from files: what torch wrote at any age is read, what would run code is refused."""

from __future__ import annotations

import argparse
import builtins
import contextlib
import os
import pickle
import re
import resource
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import torch
from recorded_notes import RecordedNotes
from torch import nn

from brainbench.core import progress
from brainbench.core.errors import InputError
from brainbench.models import checkpoints


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(conv=nn.Conv2d(3, 4, 3), norm=nn.BatchNorm2d(4), last=nn.Linear(4, 2))
    )


@pytest.fixture
def net() -> nn.Module:
    return network()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "weights.pth"


def same(a: Any, b: Any) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def trained(net: nn.Module) -> dict[str, Any]:
    """As the authors of CORnet save: a DataParallel's weights, flags, epoch, an SGD with momentum."""
    parallel = nn.DataParallel(net)
    optimizer = torch.optim.SGD(parallel.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    sum(p.sum() for p in parallel.parameters()).backward()
    optimizer.step()
    return {
        "flags": {"model": "S", "epochs": 43, "lr": 0.1, "output_path": None},
        "epoch": 43,
        "state_dict": parallel.state_dict(),
        "optimizer": optimizer.state_dict(),
    }


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_with_all_that_training_leaves(
    net: nn.Module, path: Path, zipped: bool
) -> None:
    saved = trained(net)
    saved["best"] = {"top1": np.float64(74.7), "top5": np.float32(92.2), "step": np.int64(7)}
    saved["arguments"] = argparse.Namespace(lr=0.1)
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    assert same(checkpoints.read(path), net.state_dict())


def test_numpy_scalars_of_numpy_1(net: nn.Module, path: Path, tmp_path: Path) -> None:
    torch.save({"state_dict": net.state_dict(), "best": np.float64(1.5)}, path,
               _use_new_zipfile_serialization=False)  # fmt: skip
    content = path.read_bytes()
    assert b"numpy._core.multiarray" in content
    path.write_bytes(content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert same(checkpoints.read(path), net.state_dict())


def test_a_bare_state_dict(net: nn.Module, path: Path) -> None:
    torch.save(net.state_dict(), path)
    assert same(checkpoints.read(path), net.state_dict())


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "model.", "module._orig_mod.", "model._orig_mod.module."]
)
@pytest.mark.parametrize("place", ["", "state_dict", "model", "state_dict_ema", "model.ema"])
def test_prefixes_and_places_of_training_programs(
    net: nn.Module, path: Path, prefix: str, place: str
) -> None:
    saved: Any = {f"{prefix}{key}": value + 1 for key, value in net.state_dict().items()}
    for key in reversed(place.split(".") if place else []):
        saved = {key: saved, "epoch": 3, "optimizer": {"state": {0: {"step": torch.ones(1)}}}}
    torch.save(saved, path)
    expected = {key: value + 1 for key, value in net.state_dict().items()}
    reporter = RecordedNotes()
    with progress.use(reporter):
        checkpoints.load_file(net, str(path))
    assert same(net.state_dict(), expected)
    assert reporter.notes == []


def test_a_network_whose_names_start_with_a_prefix_keeps_them(path: Path) -> None:
    net = nn.ModuleDict({"model": nn.ModuleDict({"model": nn.Linear(2, 2)})})
    expected = {key: value + 1 for key, value in net.state_dict().items()}
    for prefix in ("", "module.", "model."):
        torch.save({prefix + key: value for key, value in expected.items()}, path)
        checkpoints.load_file(net, str(path))
        assert same(net.state_dict(), expected)


def test_of_several_weights_the_choice_is_said_and_can_be_made(net: nn.Module, path: Path) -> None:
    def weights(value: float) -> dict[str, torch.Tensor]:
        return {key: torch.full_like(old, value) for key, old in net.state_dict().items()}

    torch.save({"state_dict_ema": weights(2), "state_dict": weights(1)}, path)
    reporter = RecordedNotes()
    with progress.use(reporter):
        checkpoints.load_file(net, str(path))
    assert same(net.state_dict(), weights(1))
    assert len(reporter.notes) == 1
    assert "'state_dict'" in reporter.notes[0]
    assert "#state_dict_ema" in reporter.notes[0]
    with progress.use(reporter):
        checkpoints.load_file(net, f"{path}#state_dict_ema")
    assert same(net.state_dict(), weights(2))
    assert len(reporter.notes) == 1
    with pytest.raises(InputError, match="#ema") as caught:
        checkpoints.load_file(net, f"{path}#ema")
    assert "state_dict_ema (9 tensors)" in caught.value.allowed


def test_several_weights_of_unusual_names_must_be_chosen(net: nn.Module, path: Path) -> None:
    state = {key: value.clone() for key, value in net.state_dict().items()}
    below = {f"module.backbone.{key}": value + 1 for key, value in state.items()}
    torch.save({"student": state, "teacher": below | {"module.head.weight": torch.ones(1)}}, path)
    with pytest.raises(InputError, match=str(path)) as caught:
        checkpoints.load_file(net, str(path))
    assert "teacher (10 tensors)" in caught.value.allowed
    checkpoints.load_file(net, f"{path}#teacher.backbone")
    assert torch.equal(net.state_dict()["conv.bias"], state["conv.bias"] + 1)
    assert same(checkpoints.read(path, key="student"), state)


def test_an_error_of_names_says_what_else_the_file_offers(net: nn.Module, path: Path) -> None:
    below = {f"backbone.{key}": value + 1 for key, value in net.state_dict().items()}
    torch.save({"state_dict": below | {"head.weight": torch.ones(1)}, "ema": below}, path)
    with pytest.raises(InputError, match=r"8 missing .* 10 not of") as caught:
        checkpoints.load_file(net, str(path))
    assert "FILE#backbone, FILE#ema" in caught.value.todo
    checkpoints.load_file(net, f"{path}#backbone")
    checkpoints.load_file(net, f"{path}#ema.backbone")


def test_a_file_and_its_key(tmp_path: Path) -> None:
    assert checkpoints.split("a/b.pth#state_dict_ema") == ("a/b.pth", "state_dict_ema")
    assert checkpoints.split("a#b/c.pth") == ("a#b/c.pth", "")
    (tmp_path / "a.pth#b.pth").write_bytes(b"")
    assert checkpoints.split(f"{tmp_path}/a.pth#b.pth") == (f"{tmp_path}/a.pth#b.pth", "")
    assert checkpoints.names_file("x.safetensors#ema")
    assert not checkpoints.names_file("untrained-1")


# Files that declare more than they hold


@contextlib.contextmanager
def little_memory(more: int = 1 << 30) -> Iterator[None]:
    """Let this process map at most `more` further bytes within the block."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_tensor_that_repeats_its_numbers_is_refused_before_it_is_written_out(
    path: Path, zipped: bool
) -> None:
    net = nn.Sequential(nn.Linear(42_000, 42_000, device="meta"))
    huge = {
        "0.weight": torch.ones(1).expand(42_000, 42_000),
        "0.bias": torch.ones(1).expand(42_000),
    }
    torch.save(huge, path, _use_new_zipfile_serialization=zipped)
    assert path.stat().st_size < 2000
    with little_memory(), pytest.raises(InputError, match=r"0\.weight .*7,056,000,000") as caught:
        checkpoints.load_file(net, str(path))
    assert "contiguous" in caught.value.todo


def test_a_small_tensor_that_repeats_its_numbers_is_read(path: Path) -> None:
    torch.save({"a": torch.ones(1).expand(20)}, path)
    assert torch.equal(checkpoints.read(path)["a"], torch.ones(20))


def _rewritten(path: Path, change: Any, *, compress: bool = False) -> None:
    with zipfile.ZipFile(path) as archive:
        records = {r.filename: archive.read(r) for r in archive.infolist()}
    kind = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in records.items():
            archive.writestr(name, change(name, content))


def test_a_storage_that_is_larger_than_the_file_is_refused(path: Path) -> None:
    torch.save({"w": torch.arange(64.0)}, path)
    billions = (7 * 10**8).to_bytes(4, "little")

    def claim(name: str, content: bytes) -> bytes:
        if not name.endswith("data.pkl"):
            return content
        storage = content.replace(b"K@tq", b"J" + billions + b"tq")
        return storage.replace(b"K\x00K@\x85q", b"K\x00J" + billions + b"\x85q")

    _rewritten(path, claim)
    with little_memory(), pytest.raises(InputError, match=r"w of shape .* 2,800,000,000"):
        checkpoints.read(path)


def test_a_storage_that_is_larger_than_a_file_of_the_former_format_is_refused(path: Path) -> None:
    torch.save({"w": torch.arange(64.0)}, path, _use_new_zipfile_serialization=False)
    billions = (7 * 10**8).to_bytes(4, "little")
    content = path.read_bytes()
    claimed = content.replace(b"K@N", b"J" + billions + b"N")
    assert len(claimed) > len(content)
    path.write_bytes(claimed.replace(b"K\x00K@\x85q", b"K\x00J" + billions + b"\x85q"))
    with little_memory(), pytest.raises(InputError, match=str(path)):
        checkpoints.read(path)


def test_a_zip_bomb_is_refused(path: Path) -> None:
    torch.save({"w": torch.zeros(1 << 20)}, path)
    _rewritten(path, lambda name, content: content, compress=True)
    assert path.stat().st_size < 10_000
    with little_memory(), pytest.raises(InputError, match="data/0"):
        checkpoints.read(path)


def test_a_safetensors_header_that_declares_more_than_the_file_is_refused(path: Path) -> None:
    header = b'{"w":{"dtype":"F32","shape":[700000000],"data_offsets":[0,2800000000]}}'
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\0" * 64)
    with little_memory(), pytest.raises(InputError, match=str(path)):
        checkpoints.read(path)


def test_a_flipped_bit_in_the_weights_is_noticed(path: Path) -> None:
    torch.save({"w": torch.ones(1000)}, path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"data/0"):
        checkpoints.read(path)


def test_weights_of_other_shapes_are_refused_before_their_values_are_read(path: Path) -> None:
    net = nn.Linear(2, 2)
    state = {"weight": torch.full((3, 3), torch.nan), "bias": torch.ones(2)}
    with pytest.raises(InputError, match=r"shape \(weight\)\n"):
        checkpoints.fill(net, state, name="others")


def test_module_is_only_taken_off_where_all_names_have_it(path: Path) -> None:
    saved = {"module.a": torch.ones(1), "b": torch.ones(1)}
    torch.save(saved, path)
    assert checkpoints.read(path).keys() == saved.keys()


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pth"])
def test_what_is_written_is_read_whatever_its_name(
    net: nn.Module, tmp_path: Path, name: str
) -> None:
    state = net.state_dict()
    state["conv.weight"] = state["conv.weight"].contiguous(memory_format=torch.channels_last)
    state["twice"] = state["conv.weight"]
    checkpoints.write(state, tmp_path / name, about={"url": "somewhere"})
    assert same(checkpoints.read(tmp_path / name), state)
    with safetensors.safe_open(tmp_path / name, framework="pt") as stored:
        assert stored.metadata() == {"url": "somewhere"}


class Runs:
    """Leaves a mark when a pickle of it is read."""

    def __init__(self, call: Any, *arguments: Any) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, self.arguments


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("call", "named"),
    [(os.mkdir, f"{os.name}.mkdir"), (builtins.exec, "exec"), (getattr, "getattr")],
)
def test_a_pickle_that_would_run_code_does_not(
    net: nn.Module, path: Path, tmp_path: Path, zipped: bool, call: Any, named: str
) -> None:
    mark = tmp_path / "mark"
    arguments = {
        os.mkdir: (str(mark),),
        builtins.exec: (f"import os; os.mkdir({str(mark)!r})",),
        getattr: (os, "mkdir"),
    }[call]
    saved = {"state_dict": net.state_dict(), "epoch": Runs(call, *arguments)}
    if call is getattr:  # a module cannot be pickled: what it would be is enough
        saved["epoch"] = Runs(getattr, "text", "upper")
    torch.save(saved, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=f"{path} .*{re.escape(named)}"):
        checkpoints.read(path)
    assert not mark.exists()


def test_the_mark_is_left_by_a_careless_reader(path: Path, tmp_path: Path) -> None:
    # Else the test above could not fail.
    torch.save({"epoch": Runs(os.mkdir, str(tmp_path / "mark"))}, path)
    torch.load(path, weights_only=False)
    assert (tmp_path / "mark").exists()


def test_a_plain_pickle_that_would_run_code_does_not(path: Path, tmp_path: Path) -> None:
    path.write_bytes(pickle.dumps(Runs(os.mkdir, str(tmp_path / "mark"))))
    with pytest.raises(InputError, match=str(path)):
        checkpoints.read(path)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "page", "noise", "safetensors"])
def test_a_damaged_file(net: nn.Module, path: Path, damage: str) -> None:
    torch.save(net.state_dict(), path)
    content = path.read_bytes()
    if damage == "safetensors":
        checkpoints.write(net.state_dict(), path, about={})
        content = path.read_bytes()
    path.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "empty": b"",
            "page": b"<html><body>Sign in to the network</body></html>",
            "noise": np.random.default_rng(0).bytes(1000),
            "safetensors": content[:-4],
        }[damage]
    )
    with pytest.raises(InputError, match=str(path)) as caught:
        checkpoints.read(path)
    assert "weights_only" not in str(caught.value)  # torch's advice to read it all the same


@pytest.mark.parametrize(
    "content", [{}, {"state_dict": {}}, {"state_dict": {"a": 1}}, [torch.ones(1)], torch.ones(1)]
)
def test_a_file_without_a_state_dict(path: Path, content: Any) -> None:
    torch.save(content, path)
    with pytest.raises(InputError, match=str(path)) as caught:
        checkpoints.read(path)
    assert "'state_dict'" in caught.value.allowed


def test_the_name_that_errors_use(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(InputError, match="weights of somebody"):
        checkpoints.read(path, name="of somebody")


def test_no_file(path: Path) -> None:
    with pytest.raises(InputError, match=str(path)) as caught:
        checkpoints.read(path)
    assert ".safetensors" in caught.value.allowed


def test_fill_takes_every_weight(net: nn.Module) -> None:
    state = {key: torch.full_like(value, 2) for key, value in net.state_dict().items()}
    checkpoints.fill(net, state, name="twos")
    assert same(net.state_dict(), state)


def test_the_count_of_training_steps_may_be_missing(net: nn.Module) -> None:
    state = {k: v + 1 for k, v in net.state_dict().items() if "num_batches" not in k}
    checkpoints.fill(net, state, name="old weights")
    assert all(torch.equal(net.state_dict()[key], state[key]) for key in state)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"norm.running_mean": None}, r"1 missing \(norm\.running_mean\)"),
        ({"extra": torch.ones(1)}, r"1 .*network \(extra\)"),
        ({"conv.bias": torch.ones(5)}, r"1 .*shape \(conv\.bias\)"),
        ({"conv.bias": torch.full((4,), torch.nan)}, r"1 .*finite \(conv\.bias\)"),
        ({"last.bias": None, "x": torch.ones(1)}, r"1 missing \(last\.bias\); 1 .* \(x\)"),
    ],
)
def test_weights_that_do_not_fit(net: nn.Module, change: dict[str, Any], named: str) -> None:
    changed: dict[str, Any] = {key: value + 1 for key, value in net.state_dict().items()} | change
    state = {key: value for key, value in changed.items() if value is not None}
    with pytest.raises(InputError, match=f"^these for Sequential: {named}\n") as caught:
        checkpoints.fill(net, state, name="these")
    assert "9" in caught.value.allowed
    assert same(net.state_dict(), network().state_dict())


def test_the_model_is_named_and_many_names_are_shortened(net: nn.Module) -> None:
    surplus = {f"x{k:02d}": torch.ones(1) for k in range(14)}
    with pytest.raises(InputError, match="others for cornet_x: 8 missing") as caught:
        checkpoints.fill(net, surplus, name="others", model="cornet_x")
    assert f"({', '.join(list(surplus)[:12])} and 2 more)" in caught.value.got
