"""The simulated brain as a data source: contract, cache, sameness, and bad parameters."""

import hashlib
import shutil

import numpy as np
import pytest
from damages import DAMAGES
from manifests import manifest_of
from recorded_notes import RecordedNotes

from brainbench.core import progress
from brainbench.core.assembly import validate
from brainbench.core.dataset import Dataset
from brainbench.core.errors import CacheError, InputError, UnknownNameError
from brainbench.data.manifest import manifest, open_dataset
from brainbench.models.digests import package_sources
from brainbench.simulate import brain as brains
from brainbench.simulate import network, solution_times, subject
from brainbench.simulate.brain import SimulatedBrain, simulated
from brainbench.storage.cache import Cache

SITES = {"V4": 3, "IT": 4}
SLOW = pytest.mark.slow


def small(folder, **options):
    given = {"images_per_object": 2, "n_trials": 3, "n_sites": SITES, **options}
    return SimulatedBrain(cache=Cache(folder), **given)


@pytest.fixture(scope="module")
def brain(tmp_path_factory):
    return small(tmp_path_factory.mktemp("brain"))


def files(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "simulated").iterdir())}


def test_it_is_a_data_source(brain):
    assert isinstance(brain, Dataset)
    assert brain.absent() is None
    assert brain.simulated
    assert brain.command


def test_stimuli_have_objects_and_pixels(brain):
    stimuli = brain.stimuli()
    assert len(stimuli) == 16
    assert stimuli.picture(5).shape == (224, 224, 3)
    assert stimuli.metadata["object_name"].nunique() == 8


def test_recordings_are_valid_trials_of_the_same_stimuli(brain):
    recorded = validate(brain.recordings("IT"))
    assert recorded.dims == ("repetition", "stimulus", "neuroid", "time")
    assert recorded.shape == (3, 16, 4, 25)
    assert tuple(recorded.coords["stimulus_id"].values) == brain.stimuli().ids
    assert recorded.coords["time_start"].values[[0, -1]].tolist() == [0.0, 240.0]
    assert recorded.coords["time_end"].values[-1] == 250.0
    assert set(recorded.coords["region"].values) == {"IT"}
    np.testing.assert_allclose(
        recorded.coords["known_ceiling"].values ** 2, recorded.coords["reliability"].values
    )


def test_truth_is_the_mean_of_many_trials(tmp_path):
    brain = small(tmp_path, n_trials=400, n_sites={"V4": 3})
    counts, truth = brain.recordings("V4").values, brain.truth("V4").values
    error = np.sqrt(truth / 400)
    assert np.abs((counts.mean(axis=0) - truth) / error).max() < 5.5


def test_readout_gives_the_truth_from_the_hidden_network(brain):
    hidden = network.build_network(seed=0)
    pictures = np.stack([brain.stimuli().picture(index) for index in range(16)])
    population = network.pool(hidden, "IT", network.respond(hidden, pictures)["IT"])
    readout = brain.readout("IT")
    evoked = np.einsum("su,nut->nst", readout.sites.weights, population)
    expected = (evoked + readout.spontaneous[:, None]) * readout.gain[:, None]
    np.testing.assert_allclose(brain.truth("IT").values, expected, rtol=1e-12)


def test_same_seed_same_bytes_other_seed_others(tmp_path):
    first, again, other = (
        small(tmp_path / name, seed=seed) for name, seed in zip("abc", (0, 0, 1), strict=True)
    )
    for brain in (first, again, other):
        brain.stimuli()
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert not set(files(tmp_path / "a")) & set(files(tmp_path / "c"))
    assert not np.array_equal(first.recordings("IT").values, other.recordings("IT").values)


def test_small_brain_is_these_bytes(brain):
    """The same counts on every machine, whatever its number of threads."""
    digest = hashlib.sha256(brain.recordings("IT").values.tobytes()).hexdigest()
    assert digest[:16] == "ff256383bea63ba1"


def test_second_use_makes_nothing(brain, monkeypatch):
    brain.stimuli()

    def never(*_args, **_options):
        raise AssertionError("rendered again")

    monkeypatch.setattr("brainbench.simulate.scenes.stream", never)
    again = small(brain.cache.folder)
    assert again.recordings("V4").shape == (3, 16, 3, 25)


def test_a_lost_file_is_made_again(tmp_path):
    brain = small(tmp_path)
    before = brain.recordings("IT").values
    lost = next((tmp_path / "simulated").glob("*.IT.trials.nc"))
    lost.unlink()
    np.testing.assert_array_equal(small(tmp_path).recordings("IT").values, before)


def test_everything_is_computed_once(brain, monkeypatch):
    for ask in (
        brain.stimuli,
        brain.trials,
        brain.solution_times,
        brain.choice_probabilities,
        lambda: brain.recordings("IT"),
        lambda: brain.truth("V4"),
    ):
        assert ask() is ask()
    assert brain.recordings("IT") is not brain.recordings("V4")
    before = brain.version

    def never(*_):
        raise AssertionError("computed again")

    for module, name in (
        (subject, "draw_trials"),
        (solution_times, "times"),
        (brains, "package_sources"),
    ):
        monkeypatch.setattr(module, name, never)
    assert brain.version == before
    assert len(brain.trials()) == 16 * 7 * 60
    assert brain.solution_times()["ost"].shape == (16,)


@pytest.mark.parametrize(
    ("what", "name"),
    [
        (".pictures.npy", "a bit at 0.5 of the file"),
        pytest.param(".pictures.npy", "half a file", marks=SLOW),
        pytest.param(".IT.trials.nc", "a bit at 0.9 of the file", marks=SLOW),
        pytest.param(".IT.trials.nc", "swapped with another", marks=SLOW),
        pytest.param(".V4.truth.nc", "ones in the middle", marks=SLOW),
        pytest.param(".V4.truth.nc", "a folder", marks=SLOW),
    ],
)
def test_a_damaged_file_is_made_again(brain, tmp_path, what, name):
    pictures, trials = brain.stimuli().digest, brain.recordings("IT").values
    shutil.copytree(brain.cache.folder, tmp_path / "cache")
    folder = tmp_path / "cache" / "simulated"
    (path,) = folder.glob(f"*{what}")
    (other,) = folder.glob("*.V4.trials.nc")
    DAMAGES[name](path, other)
    again, notes = small(tmp_path / "cache"), RecordedNotes()
    with progress.use(notes):
        assert again.stimuli().digest == pictures
        np.testing.assert_array_equal(again.recordings("IT").values, trials)
        for region in SITES:
            np.testing.assert_array_equal(again.truth(region), brain.truth(region))
    assert any(str(path) in note for note in notes.notes)


def test_interruption_leaves_nothing_half_written(tmp_path, monkeypatch):
    def stop(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("brainbench.simulate.network.respond", stop)
        with pytest.raises(KeyboardInterrupt):
            small(tmp_path).stimuli()
    assert [path for path in (tmp_path / "simulated").iterdir() if path.is_file()] == []
    assert len(small(tmp_path).stimuli()) == 16


def test_full_disk_is_said_before_anything_is_made(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(CacheError, match=r"GB(.|\n)*BRAINBENCH_CACHE"):
        small(tmp_path).stimuli()


def test_version_follows_parameters():
    assert SimulatedBrain().version == SimulatedBrain().version
    versions = {
        SimulatedBrain().version,
        SimulatedBrain(seed=1).version,
        SimulatedBrain(n_trials=10).version,
        SimulatedBrain(n_sites={"IT": 3}).version,
        SimulatedBrain(reliability=(0.5, 0.6)).version,
    }
    assert len(versions) == 5


@pytest.mark.parametrize(
    ("module", "makes_files"),
    [
        ("brainbench.simulate.subject", False),
        ("brainbench.metrics.classification.logistic_regression", False),
        ("brainbench.metrics.features", False),
        ("brainbench.stats.splits", False),
        ("brainbench.simulate.scenes", True),
        ("brainbench.simulate.solids", True),
    ],
)
def test_an_edit_changes_the_version_and_makes_the_files_again_only_if_it_bears_on_them(
    brain, monkeypatch, module, makes_files
):
    version, recorded = brain.version, brain.recordings("IT")

    def rendered_again(*_args, **_options):
        raise AssertionError("rendered again")

    def edited(*modules):
        return {
            name: "edited" if name == module else digest
            for name, digest in package_sources(*modules).items()
        }

    monkeypatch.setattr("brainbench.simulate.scenes.stream", rendered_again)
    monkeypatch.setattr(brains, "package_sources", edited)
    after = small(brain.cache.folder)
    assert after.version != version
    if makes_files:
        with pytest.raises(AssertionError, match="rendered again"):
            after.recordings("IT")
    else:
        np.testing.assert_array_equal(after.recordings("IT").values, recorded.values)


def test_registered_data_set_is_the_default_brain():
    brain = open_dataset("Simulated")
    assert isinstance(brain, SimulatedBrain)
    assert brain.version == SimulatedBrain().version
    assert manifest("Simulated").simulated


def test_region_without_sites_is_named(brain):
    with pytest.raises(UnknownNameError, match=r"Simulated: 'V1'(.|\n)*V4"):
        brain.recordings("V1")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"images_per_object": 0}, "images_per_object=0"),
        ({"n_trials": 0}, "n_trials=0"),
        ({"n_sites": {"IT": 0}}, r"n_sites\['IT'\]=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_impossible_parameters_are_named(options, says):
    with pytest.raises(InputError, match=says):
        SimulatedBrain(**options)


def test_sites_of_an_unknown_region_are_named():
    with pytest.raises(UnknownNameError, match="'MT'"):
        SimulatedBrain(n_sites={"MT": 3})


@pytest.mark.parametrize(
    ("parameters", "says"),
    [({"monkeys": 2}, "monkeys"), ({"pixels": 64}, "pixels = 64")],
)
def test_wrong_manifest_is_named(parameters, says):
    with pytest.raises(InputError, match=rf"'Odd' .*{says}(.|\n)*pixels = 224"):
        simulated(manifest_of(parameters, name="Odd"))
