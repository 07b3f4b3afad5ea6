"""`brainbench extract`, its Python function, and the file that both write."""

import json
import re
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr
from brainbench_fake import FakeModel
from PIL import Image
from recorded_notes import RecordedNotes

import brainbench
from brainbench.core import assembly, progress, stimuli
from brainbench.core.errors import CacheError, InputError, StimulusError, UnknownNameError
from brainbench.core.timeline import Timeline
from brainbench.models import export


@pytest.fixture
def photos(tmp_path):
    """Folder with three pictures, of which one is gray and one has another size."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, shape in (("b.png", (8, 8, 3)), ("a.png", (8, 8)), ("c.JPG", (6, 9, 3))):
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name, format="PNG")
    return folder


def means(folder):
    shown = export.images_in(folder)
    return np.stack([shown.picture(k).mean(axis=(0, 1)) for k in range(len(shown))])


@pytest.mark.slow
def test_a_file_with_a_group_per_layer(call, photos, tmp_path):
    path = tmp_path / "acts.nc"
    done = call(
        "extract", "-m", "fake", "--stimuli", photos, "-o", path, "--layers", "IT.output,V1.output"
    )
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[1].split() == ["IT.output", "3", "3", "1"]
    assert done.out.splitlines()[-1].startswith(f"{path}: ")
    read = brainbench.load_activations(path)
    assert list(read) == ["IT.output", "V1.output"]
    one = read["IT.output"]
    assert one.dims == ("stimulus", "neuroid", "time")
    assert one.coords["stimulus_id"].values.tolist() == ["a", "b", "c"]
    assert set(one.coords["layer"].values) == {"IT.output"}
    assert one.attrs["units"]
    np.testing.assert_allclose(one.values[..., 0], means(photos), rtol=1e-6)
    # Any program that reads netCDF can open it.
    with xr.open_dataset(path, group="V1.output") as plain:
        assert plain["values"].shape == (3, 3, 1)


def test_all_layers_of_its_areas_without_a_choice_and_json(call, photos, tmp_path):
    path = tmp_path / "acts.nc"
    done = call("extract", "-m", "fake", "--stimuli", photos, "-o", path, "--json", "-q")
    told = json.loads(done.out)
    assert told["file"] == str(path)
    assert [row["layer"] for row in told["layers"]] == [
        f"{r}.output" for r in ("V1", "V2", "V4", "IT")
    ]


def test_it_is_listed_in_the_help(call):
    assert "extract" in call("--help").out
    assert "--stimuli" in call("extract", "--help").out


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        ((), "--model"),
        (("-m", "fake"), "--stimuli"),
        (("-m", "fake", "--stimuli", "photos"), "--output"),
    ],
)
def test_a_missing_option_is_named(call, arguments, option):
    done = call("extract", *arguments)
    assert done.status == 2
    assert option in done.err.splitlines()[0]


def test_an_output_in_no_folder_is_known_before_anything_runs(call, photos, tmp_path):
    path = tmp_path / "no" / "acts.nc"
    done = call("extract", "-m", "fake", "--stimuli", photos, "-o", path)
    assert done.status == 2
    assert str(path) in done.err


def test_several_models_are_an_error(call, photos, tmp_path):
    done = call("extract", "-m", "fake*", "--stimuli", photos, "-o", tmp_path / "acts.nc")
    assert done.status == 2
    assert "fake, fake_second" in done.err.splitlines()[0]


def test_an_unknown_layer_leaves_no_file(call, photos, tmp_path):
    path = tmp_path / "acts.nc"
    done = call("extract", "-m", "fake", "--stimuli", photos, "-o", path, "--layers", "IT.out")
    assert (done.status, "IT.output" in done.err) == (2, True)
    assert [one.name for one in tmp_path.iterdir() if one.suffix in (".nc", ".tmp")] == []


def test_an_unknown_reducer(call, photos, tmp_path):
    done = call(
        "extract", "-m", "fake", "--stimuli", photos, "-o", tmp_path / "a.nc", "--reducer", "mean"
    )
    assert (done.status, "mean-space" in done.err) == (2, True)


def save(path, mode, kind):
    Image.new(mode, (64, 64)).save(path, format=kind)


def deep(path):
    Image.fromarray(np.zeros((8, 8), np.uint16)).save(path, format="PNG")


def cut(path):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, format="JPEG")
    path.write_bytes(path.read_bytes()[:1500])


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("notes.txt", lambda p: p.write_text("a"), ["1 of 4", "notes.txt"]),
        ("more.png", lambda p: p.mkdir(), ["1 of 4", "more.png"]),
        ("a.jpg", lambda p: save(p, "RGB", "JPEG"), ["a.jpg", "a.png"]),
        ("ink.jpg", lambda p: save(p, "CMYK", "JPEG"), ["ink.jpg", "'CMYK'"]),
        ("deep.png", deep, ["deep.png", "'I;16'"]),
        ("cut.jpg", cut, ["cut.jpg"]),
        ("empty.png", lambda p: p.touch(), ["empty.png"]),
    ],
)
def test_bad_images_are_named_and_no_file_is_written(call, photos, tmp_path, name, make, words):
    make(photos / name)
    path = tmp_path / "acts.nc"
    done = call("extract", "-m", "pixels", "--stimuli", photos, "-o", path)
    assert done.status == 2
    assert all(word in done.err for word in words)
    assert "next:" in done.err
    assert not path.exists()


def test_hidden_files_are_passed_over(photos):
    (photos / ".DS_Store").touch()
    assert len(export.images_in(photos)) == 3


def test_a_folder_without_images_and_no_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StimulusError, match="empty"):
        export.images_in(tmp_path / "empty")
    with pytest.raises(InputError, match="away"):
        export.images_in(tmp_path / "away")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        export.images_in(tmp_path / "file")


def network(images):
    """Two channels of 2 x 2 over three steps."""
    base = images[:, :2, :2, :2]
    return [base * factor for factor in (1.0, 2.0, 4.0)]


CLOCK = Timeline(name="three", source="test", steps={"output": [(0, 50), (50, 100), (100, 150)]})


def recurrent():
    return brainbench.wrap(network, timeline=CLOCK, name="recurrent")


def pictures(n=40):
    pixels = np.random.default_rng(3).integers(0, 256, (n, 5, 5, 3), dtype=np.uint8)
    return stimuli.from_arrays(
        "few", pixels, ids=[f"im{k}" for k in range(n)], metadata={"object_name": ["cat"] * n}
    )


def test_steps_over_time_and_metadata_are_kept(cache_folder, tmp_path):
    kept = brainbench.extract_activations(recurrent(), pictures())["output"]
    again = brainbench.extract_activations(recurrent(), pictures(), output=tmp_path / "acts.nc")
    xr.testing.assert_equal(again["output"].load(), kept.load())
    assert again["output"].coords["time_end"].values.tolist() == [50, 100, 150]
    assert set(again["output"].coords["object_name"].values) == {"cat"}
    np.testing.assert_allclose(kept.values[..., 2], 4 * kept.values[..., 0], rtol=1e-6)


def test_mean_space_in_memory_and_in_a_file(cache_folder, tmp_path):
    whole = brainbench.extract_activations(recurrent(), pictures())["output"]
    expected = whole.values.reshape(40, 2, 4, 3).mean(axis=2)
    options = {"reducer": "mean-space"}
    memory = brainbench.extract_activations(recurrent(), pictures(), **options)["output"]
    path = tmp_path / "acts.nc"
    file = brainbench.extract_activations(recurrent(), pictures(), output=path, **options)["output"]
    for one in (memory, file):
        np.testing.assert_allclose(one.values, expected, rtol=1e-6)
        assert one.coords["channel"].values.tolist() == [0, 1]
        assert one.attrs["reducer"] == "mean-space"
        assert "x" not in one.coords
        assembly.validate(one)


@pytest.mark.parametrize("reducer", ["none", "mean-space"])
def test_damage_found_while_a_file_is_written_is_healed(cache_folder, tmp_path, reducer):
    path = tmp_path / "acts.nc"
    options = {"output": path, "reducer": reducer}
    expected = brainbench.extract_activations(recurrent(), pictures(), **options)["output"].load()
    (stored,) = (cache_folder / "activations").iterdir()
    with stored.open("r+b") as stream:
        stream.write(b"\1\1")
    notes = RecordedNotes()
    with progress.use(notes):
        found = brainbench.extract_activations(recurrent(), pictures(), **options)["output"]
    np.testing.assert_array_equal(found.values, expected.values)
    assert str(stored) in notes.notes[0]


def test_mean_space_of_tokens_and_of_a_plain_vector():
    tokens = assembly.make(
        np.arange(12.0).reshape(2, 6),
        stimulus={"stimulus_id": ["a", "b"]},
        neuroid={"neuroid_id": range(6), "token": [0, 0, 1, 1, 2, 2], "channel": [0, 1] * 3},
        units="a.u.",
    )
    assert export.reduce(tokens, "mean-space").values.tolist() == [[2, 3], [8, 9]]
    vector = tokens.drop_vars("token")
    assert export.reduce(vector, "mean-space") is vector
    assert export.reduce(tokens, "none") is tokens
    with pytest.raises(UnknownNameError, match="'max'"):
        export.reduce(tokens, "max")


def test_a_bare_module_with_layers(cache_folder):
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.ReLU())
    answers = brainbench.extract_activations(net, pictures(2), layers="1")
    assert answers["1"].sizes == {"stimulus": 2, "neuroid": 2 * 222 * 222, "time": 1}
    with pytest.raises(InputError, match="layers"):
        brainbench.extract_activations(net, pictures(2))


def test_options_for_a_model_that_is_made_already(plugin):
    with pytest.raises(InputError, match="weights"):
        brainbench.extract_activations(FakeModel(), pictures(2), weights="imagenet")
    with pytest.raises(UnknownNameError, match="'seed'"):
        brainbench.extract_activations(FakeModel(), pictures(2), seed=1)


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "acts.nc"
    one = assembly.make(
        np.ones((2, 2)),
        stimulus={"stimulus_id": ["a", "b"]},
        neuroid={"neuroid_id": [0, 1]},
        units="a.u.",
    )
    export.write(path, {"IT": one})
    before = path.read_bytes()

    class Full(progress.Silent):
        def task(self, label, total):
            raise OSError(28, "No space left on device")

    with progress.use(Full()), pytest.raises(CacheError, match=str(tmp_path)):
        export.write(path, {"IT": one})
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1))
    with pytest.raises(CacheError, match=str(tmp_path)) as caught:
        export.write(path, {"IT": one})
    assert "--reducer mean-space" in caught.value.todo
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["acts.nc"]


@pytest.mark.parametrize("layer", ["a/b", "", ".hidden"])
def test_a_layer_that_cannot_name_a_group(layer, tmp_path):
    with pytest.raises(InputError, match=re.escape(repr(layer))):
        export.write(tmp_path / "acts.nc", {layer: None})


def test_files_of_other_programs(tmp_path):
    (tmp_path / "text.nc").write_text("no netCDF")
    netCDF4.Dataset(tmp_path / "empty.nc", "w").close()
    for name in ("text.nc", "empty.nc", "absent.nc"):
        with pytest.raises(InputError, match=name):
            export.load_activations(tmp_path / name, trusted=name == "empty.nc")
