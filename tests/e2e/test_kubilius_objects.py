"""New objects of Kubilius et al. 2019 on a stand-in in our own layout: import, score, and what is refused."""

import numpy as np
import objectome
import pandas as pd
import pytest
from standins import Pictures

import brainbench_manifests
from brainbench import load_benchmark
from brainbench.core.errors import DataAbsentError, InputError
from brainbench.data.manifest import open_dataset
from brainbench.scoring.pipeline import score
from brainbench_models.pixels import pixels

NAME, OBJECTS, EACH, ASKED = "Kubilius2019objects", 20, 10, 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two hundred images, of which people are asked about each object pair, by what the images resemble."""
    folder = tmp_path_factory.mktemp("given")
    shown = Pictures(n_objects=OBJECTS, per_object=EACH, pixels=24)
    ids, objects = np.array(shown.ids), np.unique(shown.objects)
    (folder / "images").mkdir()
    for name, content in shown.files.items():
        (folder / "images" / name).write_bytes(content)
    table = {"filename": [f"{one}.png" for one in ids], "object_name": shown.objects}
    pd.DataFrame({"stimulus_id": ids, **table}).to_csv(folder / "stimuli.csv", index=False)
    truth, p = np.searchsorted(objects, shown.objects), objectome.probabilities(shown)
    cells = [(i, d) for i in range(len(ids)) for d in range(OBJECTS) if d != truth[i]]
    image, distractor = np.repeat(np.array(cells), ASKED, axis=0).T
    right = p[image, truth[image]] / (p[image, truth[image]] + p[image, distractor])
    hit = np.random.default_rng(0).random(len(image)) < right
    trials = pd.DataFrame(
        {
            "stimulus_id": ids[image],
            "truth": objects[truth[image]],
            "distractor": objects[distractor],
            "choice": np.where(hit, objects[truth[image]], objects[distractor]),
        }
    )
    trials.to_csv(folder / "trials.csv", index=False)
    return folder


@pytest.fixture(autouse=True)
def _registered(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "data"))
    table = getattr(brainbench_manifests, NAME.lower())
    n_trials = OBJECTS * EACH * (OBJECTS - 1) * ASKED
    parameters = {**table["parameters"], "trials": n_trials}
    monkeypatch.setattr(brainbench_manifests, NAME.lower(), {**table, "parameters": parameters})


@pytest.mark.slow
def test_from_files_of_the_user_to_a_score_that_finds_the_truth(folder, cache_folder):
    data = open_dataset(NAME)
    assert "ask the authors" in data.absent()
    data.import_from(folder)
    data = open_dataset(NAME)
    assert (len(data.stimuli()), len(data.trials())) == (200, 45_600)
    assert set(data.trials().columns) == {"stimulus_id", "truth", "distractor", "choice"}
    found = score(load_benchmark("Kubilius2019objects-i2n"), pixels(size=24))
    assert found.n_stimuli == 200
    assert 0.9 < found.value / np.sqrt(found.ceiling) < 1.03


def test_the_version_is_that_of_the_files(folder, tmp_path):
    assert "ask the authors" in open_dataset(NAME).absent()
    given = tmp_path / "given"
    given.mkdir()
    (given / "images").symlink_to(folder / "images")
    for name in ("stimuli.csv", "trials.csv"):
        (given / name).write_bytes((folder / name).read_bytes())
    versions = []
    for _ in range(2):
        open_dataset(NAME).import_from(given)
        versions.append(open_dataset(NAME).version)
        trials = pd.read_csv(given / "trials.csv")
        trials.loc[0, "choice"] = trials.loc[0, "distractor"]
        trials.iloc[::-1].to_csv(given / "trials.csv", index=False)
    assert versions[0] != versions[1]


@pytest.mark.parametrize(
    ("file", "change", "error", "named"),
    [
        ("trials.csv", lambda table: table.iloc[1:], InputError, "45599 trials"),
        ("trials.csv", lambda table: table.assign(choice="elsewhere"), InputError, "45600 choices"),
        ("trials.csv", lambda table: table.drop(columns="truth"), InputError, "truth"),
        ("stimuli.csv", lambda table: table.iloc[1:], InputError, "199 images"),
        ("stimuli.csv", lambda table: table.assign(filename="x.png"), DataAbsentError, "x.png"),
        ("stimuli.csv", None, DataAbsentError, "stimuli.csv"),
    ],
)
def test_what_is_refused(folder, tmp_path, file, change, error, named):
    given = tmp_path / "given"
    given.mkdir()
    (given / "images").symlink_to(folder / "images")
    for name in ("stimuli.csv", "trials.csv"):
        (given / name).write_bytes((folder / name).read_bytes())
    if change is None:
        (given / file).unlink()
    else:
        change(pd.read_csv(given / file)).to_csv(given / file, index=False)
    with pytest.raises(error, match=named):
        open_dataset(NAME).import_from(given)
    assert open_dataset(NAME).absent()
