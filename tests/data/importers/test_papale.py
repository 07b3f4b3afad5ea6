"""Import of Papale2025, on small files laid out as the published ones, and its benchmarks."""

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from papale_files import (  # noqa: E402  # they need h5py
    CHANNELS,
    TEST,
    TRAIN,
    TRIALS,
    contents,
    declare,
    names,
    squares,
    write,
    write_log,
)

from brainbench.core.dataset import Dataset, HasTestTrials, Importable  # noqa: E402
from brainbench.core.errors import DataAbsentError, InputError, UnknownNameError  # noqa: E402
from brainbench.core.settings import Settings  # noqa: E402
from brainbench.data.integrity import DamagedDataError  # noqa: E402
from brainbench.data.offers import HasFacts  # noqa: E402
from brainbench.run.loading import load_benchmark, load_model  # noqa: E402
from brainbench.run.offered import benchmarks_of  # noqa: E402
from brainbench.scoring.pipeline import score  # noqa: E402


@pytest.fixture(autouse=True)
def _kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))


@pytest.fixture
def published(tmp_path):
    return write(tmp_path / "published")


@pytest.fixture
def data(published):
    made = declare()
    made.import_from(published)
    return made


def test_what_is_imported(published):
    data = declare()
    before = data.version
    assert "THINGS_normMUA.mat" in data.absent()
    data.import_from(published)
    assert data.absent() is None
    assert data.version != before
    for protocol in (Dataset, Importable, HasTestTrials, HasFacts):
        assert isinstance(data, protocol)
    shown = data.stimuli()
    assert shown.metadata["split"].tolist() == ["train"] * TRAIN + ["test"] * TEST
    assert shown.ids[:2] == tuple(name.partition("\\")[2][:-4] for name in names()[:2])
    assert shown.metadata["object_name"].iloc[0] == names()[0].partition("\\")[0]
    assert shown.degrees == 18.0
    rng = np.random.default_rng(0)
    colors = np.concatenate([squares(rng, TRAIN), squares(rng, TEST)])
    for row in (0, 5, TRAIN + 3):
        np.testing.assert_array_equal(shown.picture(row)[::8, ::8], colors[row])
    assert data.regions == ("V1", "V4", "IT")
    assert {name: facts.sites for name, facts in data.facts.regions.items()} == {
        "V1": 8,
        "V4": 6,
        "IT": 10,
    }


@pytest.mark.parametrize("region", ["V1", "V4", "IT"])
def test_each_channel_belongs_to_its_animal_and_region(data, region):
    means, trials = data.recordings(region), data.test_trials(region)
    assert means.dims == ("stimulus", "neuroid")
    assert trials.shape == (TRIALS, TEST, means.sizes["neuroid"])
    column = 0
    for animal, regions in CHANNELS.items():
        first, last = regions[region]
        given = contents(animal)
        for channel in range(first, last + 1):
            site = means.isel(neuroid=column)
            assert str(site.neuroid_id.values) == f"{animal}/{channel:04d}"
            assert str(site.animal.values) == animal
            assert float(site.reliability) == pytest.approx(given["reliab"][0, channel])
            np.testing.assert_allclose(site.values[:TRAIN], given["train_MUA"][:, channel])
            np.testing.assert_allclose(
                trials.values[:, :, column], given["test_MUA_reps"][:, :, channel]
            )
            np.testing.assert_allclose(
                site.values[TRAIN:], trials.values[:, :, column].mean(axis=0)
            )
            column += 1


@pytest.mark.parametrize("region", ["V1", "V4", "IT"])
def test_its_benchmarks_find_the_truth_by_animal(data, region):
    """Responses are linear in what `pixels` sees: predictions reach the ceiling, in each animal."""
    model = load_model("pixels")
    ranges = {animal: regions[region] for animal, regions in CHANNELS.items()}
    for name in ("ridge", "pls"):
        benchmark = load_benchmark(f"Papale2025.{region}-{name}").on(data)
        made = score(benchmark, model, Settings(formula="r/sqrt(c)"))
        assert made.value == pytest.approx(1, abs=0.06)
        assert {k: row["n_units"] for k, row in made.figures["by_animal"].items()} == {
            animal: last - first + 1 for animal, (first, last) in ranges.items()
        }
        assert made.record.choices["test_images"] == TEST
        assert made.record.choices["training_images"] == TRAIN


def test_by_rule_it_offers_its_division(data):
    offered = benchmarks_of(data)
    assert {"Papale2025.V1-pls", "Papale2025.IT-ridge", "Papale2025.V4-rsa"} <= set(offered)
    for name in ("pls", "ridge"):
        assert offered[f"Papale2025.V4-{name}"].measure.division == "published"
    assert "Papale2025.V4-ccnorm2" not in offered


def test_another_content_is_another_version(published, data):
    before = data.version
    with h5py.File(published / "monkeyN" / "THINGS_normMUA.mat", "r+") as stored:
        stored["train_MUA"][0, 0] += 1
    other = declare()
    other.import_from(published)
    assert other.version != before


def change(published, animal, key, edit):
    with h5py.File(published / animal / "THINGS_normMUA.mat", "r+") as stored:
        values = edit(stored[key][()])
        del stored[key]
        stored[key] = values


def without_first(values):
    return values[1:]


def with_nan(values):
    values[0, 0] = np.nan
    return values


@pytest.mark.parametrize(
    ("key", "edit", "got"),
    [
        ("train_MUA", without_first, "train_MUA"),
        ("test_MUA_reps", with_nan, "not finite"),
        ("reliab", np.zeros_like, "reliability"),
        ("SNR", lambda values: values[:, :3], "SNR"),
    ],
)
def test_files_with_other_content_are_refused_and_nothing_is_kept(published, key, edit, got):
    change(published, "monkeyN", key, edit)
    data = declare()
    with pytest.raises(InputError, match=got):
        data.import_from(published)
    assert data.absent()


def test_what_is_missing_is_named(published):
    data = declare()
    (published / "images" / names()[3].replace("\\", "/")).unlink()
    with pytest.raises(DataAbsentError, match="1 of 144 images"):
        data.import_from(published)
    (published / "images").rename(published / "elsewhere")
    with pytest.raises(DataAbsentError, match="object_images"):
        data.import_from(published)
    (published / "monkeyF" / "_logs" / "things_imgs.mat").unlink()
    with pytest.raises(DataAbsentError, match="monkeyF"):
        data.import_from(published)
    with pytest.raises(DataAbsentError, match="data show Papale2025"):
        data.stimuli()


@pytest.mark.parametrize(
    ("train", "got"),
    [
        (names()[:-1], "119 training"),
        ([*names()[:-1], names()[0]], "143 of them different"),
        ([*names()[:-1], "..\\..\\secret.jpg"], "120 training"),
        (names()[::-1], "order"),
    ],
)
def test_logs_that_differ_are_refused(published, train, got):
    write_log(published / "monkeyN" / "_logs" / "things_imgs.mat", train, names(test=True))
    with pytest.raises(InputError, match=got):
        declare().import_from(published)


def test_a_damaged_file_and_an_unknown_region_are_named(data):
    with pytest.raises(UnknownNameError, match="V3"):
        data.recordings("V3")
    blob = data.folder / "images.bin"
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    with pytest.raises(DamagedDataError, match=r"images\.bin"):
        data.stimuli()
