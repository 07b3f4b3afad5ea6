"""Choices between two objects on a stand-in in the published layout: from a server to known truth."""

import json

import numpy as np
import objectome
import pandas as pd
import pytest
import xarray as xr
from known import context_of
from scipy.stats import norm
from server import serving
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

import brainbench_manifests
from brainbench import load_benchmark
from brainbench.core.dataset import HasTrials
from brainbench.core.errors import BrainbenchError, DataAbsentError, InputError, UnknownNameError
from brainbench.core.settings import Settings
from brainbench.data import fetch
from brainbench.data.manifest import open_dataset
from brainbench.metrics.behavior.trials import halves
from brainbench.scoring.behavior.i2n import I2n
from brainbench.scoring.pipeline import score
from brainbench_models.pixels import pixels

NAME = "Rajalingham2018"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module", autouse=True)
def table(folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        made = objectome.write(folder)
        patch.setattr(brainbench_manifests, "rajalingham2018", made, raising=False)
        open_dataset(NAME).import_from(folder)
        yield made


def test_what_is_imported():
    data = open_dataset(NAME)
    assert isinstance(data, HasTrials)
    shown, trials = data.stimuli(), data.trials()
    assert len(shown) == 144
    assert shown.degrees == 8.0
    assert list(shown.ids) == sorted(shown.ids)
    objects = dict(zip(shown.ids, shown.metadata["object_name"], strict=True))
    assert (trials.truth == trials.stimulus_id.map(objects)).all()
    assert len(trials) == 48 * 5 * 30
    assert set(trials.subject) == {"w1", "w2", "w3"}
    with pytest.raises(InputError, match="recordings of IT"):
        data.recordings("IT")


def test_from_a_server_to_a_score(call, folder, table, tmp_path, monkeypatch, cache_folder):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    monkeypatch.delenv(fetch.OFFLINE)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as served:
        parameters = table["parameters"]
        served_table = objectome.declare(folder, table, served.url, **parameters)
        monkeypatch.setattr(brainbench_manifests, "rajalingham2018", served_table, raising=False)
        for file in table["files"]:
            served.files[f"/{file['path']}"] = (folder / file["path"]).read_bytes()
        status, out, _ = call("data", "fetch", NAME, "-q")
        assert (status, out.split(":")[0]) == (0, f"{NAME} is here")
    status, out, _ = call(
        "score", "-m", "pixels", "-b", "Rajalingham2018-i2n", "-o", tmp_path / "results",
        "--format", "json", "-q",
    )  # fmt: skip
    assert status == 0
    (scored,) = json.loads(out)
    assert scored["value"] > 0.9 * np.sqrt(scored["ceiling"])


@pytest.mark.parametrize(("name", "ceiling"), [("i2n", 0.784), ("i1", 0.885)])
def test_people_are_predicted_as_far_as_their_trials_allow(name, ceiling, cache_folder):
    """Choices follow the pictures: a read-out of pixels comes near sqrt(c), of other images near 0."""
    published, held_out = (
        score(load_benchmark(f"{NAME}-{name}{kind}"), pixels(size=24)) for kind in ("", "-cv")
    )
    for one in (published, held_out):
        assert one.ceiling == pytest.approx(ceiling, abs=0.02)
        assert 0.85 < one.value / np.sqrt(one.ceiling) < 1.0
    assert published.value != held_out.value
    assert published.record.choices["held_out"].endswith("images without trials")
    assert published.record.choices["splits"] == 1
    assert "i1" in published.figures or "i2n" in published.figures


def decoded_plainly(features, labels):
    """Return probabilities of each image by scikit-learn's read-out of the other folds."""
    p = np.full((len(labels), len(np.unique(labels))), np.nan)
    for train, test in StratifiedKFold(10, shuffle=True, random_state=0).split(features, labels):
        scaler = StandardScaler().fit(features[train])
        fitted = LogisticRegression(C=1e-3, solver="newton-cg", tol=1e-8, max_iter=1000).fit(
            scaler.transform(features[train]), labels[train]
        )
        p[test] = fitted.predict_proba(scaler.transform(features[test]))
    return p


def sensitivities_plainly(rate, truth, protocol):
    """Return normalized d' by (image, distractor), from the rates of right choices; cell by cell."""
    d = {}
    for (image, other), hit in rate.items():
        shown = truth[image]
        wrong = [
            1 - r
            for (i, asked), r in rate.items()
            if asked == shown and (protocol == "paper" or truth[i] == other)
        ]
        d[image, other] = np.clip(norm.ppf(hit) - norm.ppf(np.mean(wrong)), -5, 5)
    return {
        (image, other): value
        - np.mean([v for (i, o), v in d.items() if o == other and truth[i] == truth[image]])
        for (image, other), value in d.items()
    }


def i2n_plainly(features, stimuli, trials, protocol):
    """Return I2n as it is written in docs/measures.md, with neither arrays of cells nor our functions."""
    labels = stimuli.metadata["object_name"].to_numpy()
    p, names = decoded_plainly(features, labels), np.unique(labels).tolist()
    truth = dict(zip(stimuli.ids, labels, strict=True))
    asked = dict.fromkeys(zip(trials.stimulus_id, trials.distractor, strict=True))
    model = {}
    for image, other in asked:
        row = p[list(stimuli.ids).index(image)]
        own, its = row[names.index(truth[image])], row[names.index(other)]
        model[image, other] = own / (own + its)

    def rates(rows, more):
        cells = {}
        for row in rows:
            image, other, choice = (
                trials[c].iat[row] for c in ("stimulus_id", "distractor", "choice")
            )
            cells.setdefault((image, other), []).append(choice == truth[image])
        return {cell: (sum(one) + more) / (len(one) + 2 * more) for cell, one in cells.items()}

    def alike(one, other):
        d = [sensitivities_plainly(rate, truth, protocol) for rate in (one, other)]
        cells = [cell for cell in d[0] if all(np.isfinite(side.get(cell, np.nan)) for side in d)]
        return np.corrcoef(*([side[cell] for cell in cells] for side in d))[0, 1]

    if protocol == "paper":
        return alike(model, rates(range(len(trials)), 0.5))
    values = []
    for one, other in halves(len(trials)):  # tests/oracle has them beside Brain-Score's
        first, second = rates(one, 0.0), rates(other, 0.0)
        values.append(alike(model, first) / np.sqrt(alike(first, second)))
    return np.mean(values)


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_the_cross_validated_figure_is_that_of_a_plain_implementation(protocol, cache_folder):
    context = context_of(load_benchmark(f"{NAME}-i2n-cv"), pixels(size=8), protocol=protocol)
    measure = context.benchmark.measure
    (candidate,) = measure.candidates(context, measure.target(context))
    features = np.concatenate(list(candidate.chunks()), axis=1)
    data = open_dataset(NAME)
    expected = i2n_plainly(features, context.stimuli(), data.trials(), protocol)
    settings = Settings(protocol=protocol, null="none")
    found = score(context.benchmark, pixels(size=8), settings)
    assert found.value == pytest.approx(expected, abs=1e-4)


def test_the_published_read_out_is_fitted_to_images_without_trials():
    context = context_of(load_benchmark("Rajalingham2018-i2n"), pixels(size=24))
    measure = context.benchmark.measure
    target = measure.target(context)
    (fold,) = target.images.folds()
    asked = set(open_dataset(NAME).trials()["stimulus_id"])
    assert {target.images.ids[row] for row in fold.test} == asked
    assert len(fold.train) == 96
    evaluation = measure.evaluate(context, target, measure.candidates(context, target))
    assert np.isfinite(evaluation.answers).all()
    assert np.isnan(evaluation.readout.probabilities[fold.train]).all()


def test_keys_of_stored_scores_stay():
    assert not {"level", "fitted_on"} & set(I2n().config())
    assert I2n(level="i1").config()["level"] == "i1"
    with pytest.raises(UnknownNameError, match="i3"):
        I2n(level="i3")
    with pytest.raises(UnknownNameError, match="all"):
        I2n(fitted_on="all")


def test_a_read_out_needs_images_without_trials(tmp_path, monkeypatch, cache_folder):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    data = open_dataset(NAME)
    with pytest.raises(DataAbsentError, match=f"brainbench data fetch {NAME}"):
        data.trials()
    public = objectome.write(tmp_path / "public", public=True, per_object=12, trials=4)
    monkeypatch.setattr(brainbench_manifests, "rajalingham2018public", public, raising=False)
    open_dataset("Rajalingham2018public").import_from(tmp_path / "public")
    benchmark = load_benchmark("Rajalingham2018-i2n").on(open_dataset("Rajalingham2018public"))
    with pytest.raises(InputError, match="no image without trials of object00"):
        score(benchmark, pixels(size=24))
    scored = score(load_benchmark("Rajalingham2018public-i2n"), pixels(size=24))
    assert scored.value > 0.3
    assert "a read-out of the others" in scored.record.choices["held_out"]


def changed_assembly(folder, table, change):
    (path,) = (folder / f["path"] for f in table["files"] if f["path"].endswith(".nc"))
    with xr.open_dataset(path) as file:
        other = change(file.load())
    path.unlink()
    other.to_netcdf(path, engine="netcdf4")


def renamed(file):
    return file.rename(dist_obj="other")


def wrong_choice(file):
    file["data"].values[3] = "none of them"
    return file


def unknown_image(file):
    file["image_id"].values[5] = "0" * 40
    return file


def fewer(file):
    return file.isel(presentation=slice(10))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (renamed, "without dist_obj"),
        (wrong_choice, "1 choices that were not on offer"),
        (unknown_image, "1 trials of images that show something else or are not there"),
        (fewer, "has 10 trials"),
    ],
)
def test_an_assembly_of_another_content(tmp_path, change, said):
    table = objectome.write(tmp_path, per_object=3, trials=2)
    changed_assembly(tmp_path, table, change)
    table = objectome.declare(tmp_path, table, **table["parameters"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(brainbench_manifests, "rajalingham2018", table, raising=False)
        with pytest.raises(BrainbenchError, match=said):
            open_dataset(NAME).import_from(tmp_path)


def test_stimuli_of_another_content_and_missing_files(tmp_path):
    table = objectome.write(tmp_path, per_object=3, trials=2)
    path = tmp_path / "stimulus_objectome_public.csv"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(brainbench_manifests, "rajalingham2018", table, raising=False)
        path.write_bytes(path.read_bytes() + b"\n")
        with pytest.raises(InputError, match=r"objectome_public\.csv"):
            open_dataset(NAME).import_from(tmp_path)
        rows = pd.read_csv(path).drop(columns=["image_label", "image_sample_obj"])
        rows.to_csv(path, index=False)
        table = objectome.declare(tmp_path, table, **table["parameters"])
        patch.setattr(brainbench_manifests, "rajalingham2018", table, raising=False)
        with pytest.raises(InputError, match="image_label"):
            open_dataset(NAME).import_from(tmp_path)
        path.unlink()
        with pytest.raises(DataAbsentError, match=r"1 of 5 files .*objectome_public\.csv"):
            open_dataset(NAME).import_from(tmp_path)
