"""Animal to animal: which sites predict which, the figures, the correction for noise, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from known import benchmark, brain, model_of
from several import several
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold

import brainbench
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.settings import Settings
from brainbench.metrics.linear.ridge import RELATIVE
from brainbench.scoring.context import Run
from brainbench.scoring.regression.animals import animal_reference
from brainbench.scoring.similarity.measure import Similarity

N_TRIALS = 8


def world(animals="aaaaaabbbb", *, n=200, dims=3, noise=1.0, seed=0, own=0.0, trials=N_TRIALS):
    """Sites of animals that read the same few features, each with `own` variance of its animal too."""
    rng = np.random.default_rng(seed)
    names = np.array(list(animals))
    Z = rng.standard_normal((n, dims))
    signal = Z @ rng.standard_normal((dims, len(names)))
    signal /= signal.std(axis=0)
    for animal in np.unique(names):
        private = rng.standard_normal((n, dims)) @ rng.standard_normal(
            (dims, (names == animal).sum())
        )
        signal[:, names == animal] += np.sqrt(own) * private / private.std(axis=0)
    noisy = signal + noise * rng.standard_normal((trials, n, len(names)))
    data = brain(None, trials=noisy, objects=False)
    recorded = data.regions["IT"].assign_coords(animal=("neuroid", names))
    return replace(data, regions={"IT": recorded}), Z, noisy


def declared(data, **options):
    return benchmark(data, **{"metric": "ridge-cv", "n_pca": None, "n_splits": 5, **options})


def reference(data, *, settings=None, **options):
    return animal_reference(declared(data, **options), Run(settings or Settings()))


# --- oracle ----------------------------------------------------------------------------------------


def test_raw_is_that_of_scikit_learn():
    data, _, noisy = world(n=60)
    found = reference(data)
    order = np.argsort(data.pictures.ids)
    Y = noisy.mean(axis=0)[order]
    r = []
    for mine, others in ((slice(6, 10), slice(0, 6)), (slice(0, 6), slice(6, 10))):
        by_fold = []
        for train, test in KFold(5, shuffle=True, random_state=0).split(Y):
            X = Y[:, others]
            unit = X[train].var(axis=0).sum() * len(train) / (len(train) - 1)
            fitted = [
                RidgeCV(alphas=RELATIVE * unit).fit(X[train], y[train]).predict(X[test])
                for y in Y[:, mine].T
            ]
            pairs = zip(fitted, Y[test, mine].T, strict=True)
            by_fold.append([np.corrcoef(x, y)[0, 1] for x, y in pairs])
        r += np.mean(by_fold, axis=0).tolist()
    assert found["raw"]["value"] == pytest.approx(np.median(r), abs=1e-6)
    assert found["by_animal"]["a"]["raw"] == pytest.approx(np.median(r[4:]), abs=1e-6)
    assert found["by_animal"]["b"]["raw"] == pytest.approx(np.median(r[:4]), abs=1e-6)
    assert found["by_animal"]["b"]["from"] == ["a"]


# --- known truth -----------------------------------------------------------------------------------


def test_the_truth_is_found_where_one_animal_has_all_that_the_other_has():
    data, *_ = world("a" * 40 + "b" * 10, n=400)
    found = reference(data)
    known = np.sqrt(1 / (1 + 1 / N_TRIALS))  # noiseless a, measured b
    target = found["by_animal"]["b"]
    assert target["raw"] == pytest.approx(known, abs=0.02)
    assert target["ceiling"] == pytest.approx(known**2, abs=0.02)
    assert found["corrected_halves"] == pytest.approx(1.0, abs=0.02)
    # As published: reliabilities of all trials under correlations of half of them.
    half = 1 / (1 + 2 / N_TRIALS)
    assert half / known**2 - 0.02 < found["corrected"] < found["corrected_halves"]
    low, high = found["raw"]["ci"]
    assert low < found["raw"]["value"] < high


@pytest.mark.slow
def test_what_animals_do_not_share_stays_a_difference():
    data, *_ = world("a" * 40 + "b" * 40, n=400, own=1.0)
    found = reference(data)
    assert found["corrected_halves"] == pytest.approx(np.sqrt(0.5), abs=0.05)
    alike, *_ = world("a" * 40 + "b" * 40, n=400)
    assert found["raw"]["value"] < reference(alike)["raw"]["value"] - 0.2


def test_unrelated_animals_predict_nothing():
    data, _, noisy = world(n=200)
    shuffled = noisy.copy()
    shuffled[:, :, 6:] = noisy[:, np.random.default_rng(1).permutation(200)][:, :, 6:]
    recorded = data.regions["IT"].copy(data=shuffled)
    found = reference(replace(data, regions={"IT": recorded}))
    assert abs(found["raw"]["value"]) < 0.15


# --- properties ------------------------------------------------------------------------------------


def test_units_and_order_of_sites_change_nothing():
    data, *_ = world(n=60)
    recorded = data.regions["IT"]
    moved = recorded.copy(data=3.0 * recorded.values + 7.0).isel(neuroid=np.arange(10)[::-1])
    first, second = (reference(one) for one in (data, replace(data, regions={"IT": moved})))
    for key in ("corrected", "corrected_halves", "ceiling"):
        assert first[key] == pytest.approx(second[key], abs=1e-6)
    assert first["raw"]["value"] == pytest.approx(second["raw"]["value"], abs=1e-6)


def test_three_animals_predict_together_and_in_pairs():
    data, *_ = world("aaaabbbbcccc", n=100)
    found = reference(data)
    assert found["animals"] == ["a", "b", "c"]
    assert found["by_animal"]["c"]["from"] == ["a", "b"]
    assert set(found["pairs"]) == {f"{x} to {y}" for x in "abc" for y in "abc" if x != y}
    assert found["by_animal"]["c"]["raw"] > found["pairs"]["a to c"] - 0.02
    assert reference(world(n=60)[0])["pairs"] == {}


def test_without_trials_there_is_raw_alone():
    data, _, noisy = world(n=60)
    averaged = brain(noisy.mean(axis=0), objects=False)
    recorded = averaged.regions["IT"].assign_coords(
        animal=("neuroid", data.regions["IT"].animal.values)
    )
    found = reference(replace(averaged, regions={"IT": recorded}))
    assert found["raw"]["value"] is not None
    assert found["r/sqrt(c)"] == {"value": None, "ci": None}
    assert (found["corrected"], found["ceiling"]) == (None, None)


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_the_map_is_that_of_the_benchmark(protocol):
    data, *_ = world(n=60)
    settings = Settings(protocol=protocol)
    found = reference(data, settings=settings, metric="pls", n_components=3)
    assert found["map"] == "PLS with 3 components"
    assert 0 < found["raw"]["value"] < 1


def test_sessions_share_pictures_by_id_and_content():
    data, *_ = world("aaaaa", n=80)
    other, *_ = world("bbbb", n=80, seed=0)
    some = list(range(60))
    renamed = other.regions["IT"].assign_coords(
        neuroid_id=("neuroid", [f"other{k}" for k in range(4)])
    )
    part = replace(
        other,
        pictures=other.pictures.take(some),
        regions={"IT": renamed.isel(stimulus=some)},
    )
    whole, _ = several()
    both = replace(whole, parts={"monday": data, "tuesday": part})
    found = reference(both)
    assert found["images"] == [60]
    assert found["by_animal"]["a"]["n_units"] == 5


# --- what is refused -------------------------------------------------------------------------------


def test_animals_that_share_no_picture_are_refused_by_name():
    data, *_ = world("aaaaa", n=60)
    other = brain(
        None, trials=world("bbbb", n=60)[2], ids=[f"x{k}" for k in range(60)], objects=False
    )
    recorded = other.regions["IT"].assign_coords(
        animal=("neuroid", list("bbbb")), neuroid_id=("neuroid", list("wxyz"))
    )
    whole, _ = several()
    both = replace(whole, parts={"one": data, "two": replace(other, regions={"IT": recorded})})
    with pytest.raises(InputError, match="the animals a, b of Several IT share no picture"):
        reference(both)


def test_one_animal_and_no_names_are_refused():
    with pytest.raises(InputError, match="of one animal, a"):
        reference(world("aaaa", n=60)[0])
    unnamed = brain(None, trials=world(n=60)[2], objects=False)
    with pytest.raises(InputError, match="name no animal"):
        reference(unnamed)


def test_measures_without_a_map_are_refused():
    similar = replace(benchmark(world(n=60)[0]), measure=Similarity(metric="rsa"))
    with pytest.raises(NotApplicableError, match="fits no map"):
        animal_reference(similar, Run(Settings()))


# --- beside scores ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("cache_folder")
def test_the_reference_stands_beside_the_score_and_changes_nothing():
    data, Z, _ = world(n=60)
    model = model_of(data, Z)
    plain = brainbench.score(model, declared(data))
    beside = brainbench.score(model, declared(data), reference="animals")
    assert "animals" not in plain.figures
    assert (beside.value, beside.ci, beside.ceiling) == (plain.value, plain.ci, plain.ceiling)
    assert beside.figures["animals"]["raw"] == reference(data)["raw"]
    single, Z, _ = world("aaaa", n=60)
    alone = brainbench.score(model_of(single, Z), declared(single), reference="animals")
    assert "of one animal" in alone.figures["animals"]["reason"]
    assert alone.value is not None
