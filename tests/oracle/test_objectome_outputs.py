"""I2n on real outputs of three networks, beside a computation cell by cell.

The files say nothing of what an image shows: the answer of ResNet-34 stands in for it.
"""

import itertools

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from brainbench.metrics.behavior.i2n import correlation, d_prime, normalized, two_way
from brainbench.metrics.classification.logistic_regression import cross_decode
from brainbench.stats.splits import paper

NETWORKS = ("alexnet", "resnet18", "resnet34")


@pytest.fixture(scope="module")
def outputs(shared):
    folder = shared("data/objectome_model_outputs")
    with_names = {}
    for network in NETWORKS:
        with xr.open_dataset(folder / f"{network}-probabilities.nc", engine="netcdf4") as file:
            (array,) = file.data_vars.values()
            with_names[network] = array.load()
    return with_names


@pytest.fixture(scope="module")
def truth(outputs):
    return outputs["resnet34"].values.argmax(axis=1)


def test_images_and_choices_are_in_one_order(outputs, shared):
    first = outputs[NETWORKS[0]]
    assert first.dims == ("presentation", "choice")
    assert first.shape == (240, 24)
    for array in outputs.values():
        np.testing.assert_array_equal(array["image_id"].values, first["image_id"].values)
        np.testing.assert_array_equal(array["choice_"].values, first["choice_"].values)
        np.testing.assert_allclose(array.values.sum(axis=1), 1, atol=2e-7)
    choices = first["choice_"].values.astype(str)
    assert len(set(choices)) == 24
    assert {"zebra", "calc01", "Hanger_02"} <= set(choices)
    path = shared("data/objectome_model_outputs/resnet18-objectome-features.nc")
    with xr.open_dataset(path, engine="netcdf4") as file:
        paths = file["stimulus_path"].values.astype(str)
    ids = [name.rpartition("/")[2].removesuffix(".png") for name in paths]
    assert len(set(ids)) == 2400
    private = set(first["image_id"].values.astype(str))
    assert [name for name in ids if name in private] == first["image_id"].values.astype(
        str
    ).tolist()


def by_cells(p, truth):
    """Return normalized d' as sections 2.1 to 2.4 of the procedure say it, one cell after the other."""
    n, k = p.shape
    chosen = np.full((n, k), np.nan)
    for image, other in itertools.product(range(n), range(k)):
        if other != truth[image]:
            chosen[image, other] = p[image, truth[image]] / (
                p[image, truth[image]] + p[image, other]
            )
    d = np.full((n, k), np.nan)
    for one, other in itertools.product(range(k), range(k)):
        of_other = 1 - chosen[truth == other, one]
        if one == other or not len(of_other):
            continue
        for image in np.flatnonzero(truth == one):
            z = norm.ppf(chosen[image, other]) - norm.ppf(of_other.mean())
            d[image, other] = np.clip(z, -5, 5)
    for one, other in itertools.product(range(k), range(k)):
        rows = truth == one
        if rows.any() and np.isfinite(d[rows, other]).any():
            d[rows, other] -= np.nanmean(d[rows, other])
    return d


def test_i2n_between_networks(outputs, truth):
    ours, theirs = {}, {}
    for network in NETWORKS:
        p = outputs[network].values.astype(np.float64)
        sensitivity = d_prime(two_way(p, truth), truth, false_alarms="brainscore")
        ours[network], theirs[network] = normalized(sensitivity, truth), by_cells(p, truth)
        np.testing.assert_allclose(ours[network], theirs[network], rtol=0, atol=1e-10)
    for one, other in itertools.combinations(NETWORKS, 2):
        x, y = theirs[one], theirs[other]
        finite = np.isfinite(x) & np.isfinite(y)
        expected = np.corrcoef(x[finite], y[finite])[0, 1]
        assert correlation(ours[one], ours[other]) == pytest.approx(expected, abs=1e-12)
        assert 0 < expected < 1


def test_agreement_of_answers(outputs):
    """As published with the layout: ResNet-18 and ResNet-34 .679, AlexNet with them .450 and .458."""
    answers = {name: array.values.argmax(axis=1) for name, array in outputs.items()}
    shares = [np.mean(answers[a] == answers[b]) for a, b in itertools.combinations(NETWORKS, 2)]
    assert sorted(shares) == pytest.approx([0.450, 0.458, 0.679], abs=0.001)


@pytest.mark.slow
def test_cross_validated_read_out_on_real_features(shared):
    """Features of ResNet-18 for all 2,400 images, held out by folds, beside scikit-learn fold by fold.

    What an image shows is not in the files: the nearest of 24 of the images stands in for it.
    """
    path = shared("data/objectome_model_outputs/resnet18-objectome-features.nc")
    with xr.open_dataset(path, engine="netcdf4") as file:
        (array,) = file.data_vars.values()
        features = array.values.astype(np.float64)
    assert features.shape == (2400, 512)
    scaled = StandardScaler().fit_transform(features)
    labels = (scaled @ scaled[::100].T).argmax(axis=1)
    names = np.array([f"object{k:02d}" for k in labels])
    kept = np.flatnonzero(np.bincount(labels, minlength=24)[labels] >= 10)
    features, names, labels = (
        features[kept],
        names[kept],
        np.unique(labels[kept], return_inverse=True)[1],
    )
    ids = [f"image{k:04d}" for k in range(len(names))]
    folds = paper(ids, names, n_splits=10, seed=0)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(names)))
    chosen = folds[:2]
    found = cross_decode(features, names, chosen).probabilities
    for (train, test), ours in zip(chosen, found, strict=True):
        scaler = StandardScaler().fit(features[train])
        theirs = LogisticRegression(C=1e-3, solver="newton-cg", tol=1e-4, max_iter=100)
        theirs.fit(scaler.transform(features[train]), names[train])
        expected = theirs.predict_proba(scaler.transform(features[test]))
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-7)
        truth = labels[test]
        d = normalized(d_prime(two_way(ours, truth), truth, false_alarms="brainscore"), truth)
        np.testing.assert_allclose(d, by_cells(expected, truth), rtol=0, atol=1e-4)
