"""Groups of images: near copies, a column of the stimuli, and intervals over few groups."""

import itertools
from dataclasses import replace

import numpy as np
import over_time as dynamics
import pytest
from known import benchmark, brain, context_of, model_of
from scipy.stats import t

from brainbench.core import stimuli
from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.run.identity import identity
from brainbench.scoring.pipeline import score as score_model
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.similarity.measure import Similarity
from brainbench.scoring.stimulus_groups import StimulusGroups

RIDGE = Predictivity(metric="ridge", n_pca=None, n_splits=10)


def films(*, n=30, frames=2, seed=0, metadata=(), jitter=6.0):
    """Random responses to n films whose frames are jittered versions of one picture, and random features.

    Frames of a film have responses and features in common, so that a split between them leaks.
    """
    rng = np.random.default_rng(seed)
    signal = np.tile(rng.standard_normal((n, 8)), (frames, 1))
    trials = signal + 0.2 * rng.standard_normal((4, frames * n, 8))
    data = brain(None, trials=trials, objects=False)
    scene = np.tile(rng.integers(20, 236, (n, 20, 20, 3)), (frames, 1, 1, 1))
    shown = np.clip(scene + rng.normal(0, jitter, scene.shape), 0, 255).astype(np.uint8)
    columns = {key: np.tile([f"film{k:02d}" for k in range(n)], frames) for key in metadata}
    shown = stimuli.from_arrays("films", shown, ids=data.pictures.ids, metadata=columns)
    X = np.tile(rng.standard_normal((n, 40)), (frames, 1)) + 0.1 * rng.standard_normal(
        (frames * n, 40)
    )
    return replace(data, pictures=shown), X


def score(data, X, measure=RIDGE, **options):
    declared = replace(benchmark(data), measure=measure)
    return score_model(declared, model_of(data, X), Settings(**options))


def test_near_copies_leak_are_named_and_are_kept_together_on_request():
    leaking = score(*films(), resample="images")
    (note,) = [note for note in leaking.record.notes if "near copies" in note]
    assert "60 images" in note
    assert "--groups auto" in note
    assert "im000 = im030" in note
    assert leaking.value > 0.8
    kept = [score(*films(seed=seed), groups="auto", resample="images") for seed in range(4)]
    assert abs(np.mean([one.value for one in kept])) < 0.2
    assert kept[0].record.choices["groups"] == {"films": {"images": 60, "groups": 30}}
    assert kept[0].protocol == "paper+groups"
    assert not any("near copies" in note for note in kept[0].record.notes)


def test_different_pictures_are_no_near_copies():
    data, X = films(frames=1, n=60)
    plain = score(data, X, resample="images")
    assert not any("copies" in note for note in plain.record.notes)
    assert score(data, X, groups="auto", resample="images").value == plain.value


def test_near_copies_that_a_measure_keeps_together_are_not_named():
    data, _ = films(metadata=["film"])
    groups = StimulusGroups(data.pictures, None)
    film = data.pictures.labels("film")
    assert len(groups.notes(apart=False, used=None)) == 1
    assert groups.notes(apart=False, used=film) == []
    assert len(groups.notes(apart=False, used=np.char.replace(film, "film00", "film01"))) == 0
    assert len(set(groups.joined_with("film"))) == 30


def test_a_column_group_holds_without_being_asked_for_except_under_brainscore():
    data, X = films(metadata=["group"])
    assert abs(score(data, X, resample="images").value) < 0.4
    shared = {"formula": "raw", "resample": "images"}
    published = score(data, X, protocol="brainscore", **shared)
    grouped = score(data, X, protocol="brainscore", groups="group", **shared)
    assert (published.protocol, grouped.protocol) == ("brainscore", "brainscore+groups")
    assert published.value > 0.7
    assert abs(grouped.value) < 0.4


def test_any_other_column_on_request():
    data, X = films(metadata=["film"])
    asked = score(data, X, groups="film", resample="images")
    assert abs(asked.value) < 0.4
    assert "groups" not in score(data, X, resample="images").record.choices
    with pytest.raises(InputError) as caught:
        score(data, X, groups="movie")
    assert all(name in str(caught.value) for name in ("movie", "film", "stimulus_id"))


def test_similarity_by_random_sets_takes_whole_groups():
    data, X = films(metadata=["film"])
    context = context_of(
        replace(benchmark(data), measure=Similarity(metric="rsa")),
        model_of(data, X),
        protocol="brainscore",
        groups="film",
    )
    measure = context.benchmark.measure
    target = measure.target(context)
    sets = measure.evaluate(context, target, measure.candidates(context, target)).sets
    film = target.groups
    assert all(not set(film[rows]) & set(np.delete(film, rows)) for rows in sets)


def test_keys_of_scores_without_groups_stay_as_they_were():
    data, X = films(metadata=["film"])
    keys = [
        identity(context_of(benchmark(data), model_of(data, X), **options))
        for options in ({}, {"groups": None}, {"groups": "film"}, {"groups": "auto"})
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


# --- few groups ------------------------------------------------------------------------------------


def few(n, *, seed=0):
    """Sites that are linear in features that a film's six frames share in part."""
    rng = np.random.default_rng(seed)
    film = np.repeat(np.arange(n), 6)
    X = rng.standard_normal((n, 4))[film] + rng.standard_normal((6 * n, 4))
    signal = X @ rng.standard_normal((4, 8))
    data = brain(None, trials=signal + 2 * rng.standard_normal((4, 6 * n, 8)), objects=False)
    named = data.pictures.metadata.assign(film=[f"film{k:02d}" for k in film])
    return replace(data, pictures=replace(data.pictures, metadata=named)), X


def without_each(table, film):
    """The score without each film in turn, from the stored predictions."""
    values = []
    for left_out in np.unique(film):
        kept = table.isel(sample=film != left_out)
        r = [
            [
                np.corrcoef(p, q)[0, 1]
                for p, q in zip(fold.predicted.values.T, fold.target.values.T, strict=True)
            ]
            for _, fold in kept.groupby("fold")
        ]
        values.append(np.median(np.mean(r, axis=0)))
    return np.array(values)


@pytest.mark.parametrize("n", [3, 5, 12])
def test_few_groups_have_the_interval_of_a_jackknife(n):
    data, X = few(n)
    one = score(data, X, Predictivity(metric="ridge"), groups="film", resample="images")
    shown = dict(zip(data.pictures.ids, data.pictures.metadata.film, strict=True))
    film = one.predictions.stimulus_id.to_series().map(shown).to_numpy()
    without = without_each(one.predictions, film)
    error = np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))
    half = t.ppf(0.975, n - 1) * error
    assert one.ci == pytest.approx((one.value - half, one.value + half), abs=1e-9)
    assert f"jackknife of {n} groups" in one.ci_method
    assert (one.draws, one.joint_draws) == (None, None)
    assert len(one.figures["by_group"]) == n
    assert len(set(one.predictions.fold.values)) == min(n, 10)
    wider = score(data, X, Predictivity(metric="ridge"), groups="film").ci
    assert np.ptp(wider) > np.ptp(one.ci)


def test_two_groups_have_a_figure_each_and_no_interval():
    data, X = few(2)
    one = score(data, X, Predictivity(metric="ridge"), groups="film")
    assert one.value is not None
    assert one.ci is None
    assert one.ci_method.startswith("none: 2 groups")
    groups = one.figures["by_group"]
    assert [row["images"] for row in groups.values()] == [6, 6]
    assert all(np.isfinite(row["value"]) for row in groups.values())
    units = score(data, X, Predictivity(metric="ridge"), groups="film", resample="units")
    assert units.ci is not None


def test_groups_that_are_never_held_out_do_not_count():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((dynamics.N, dynamics.P, dynamics.BINS))
    signal = np.einsum("npt,ps->nst", X, rng.standard_normal((dynamics.P, dynamics.SITES)))
    data = brain(None, trials=signal + rng.standard_normal((6, *signal.shape)), time=dynamics.TIME)
    film = [f"film{k // 10}" for k in range(dynamics.N)]
    named = replace(data.pictures, metadata=data.pictures.metadata.assign(film=film))
    model = dynamics.model_of(data, X)
    n_films = []
    for n_splits in (1, 2, 4):
        declared = dynamics.benchmark(
            replace(data, pictures=named), n_splits=n_splits, scored=(0, 60)
        )
        one = score_model(declared, model, Settings(groups="film", resample="images"))
        assert (one.ci is None) == (n_splits == 1)
        n_films.append(len(one.figures["by_group"]))
        assert all(row["value"] is not None for row in one.figures["by_group"].values())
    assert n_films == [2, 4, 8]


def test_twenty_groups_are_drawn():
    data, X = few(20)
    one = score(data, X, Predictivity(metric="ridge"), groups="film", resample="images")
    assert "by_group" not in one.figures
    assert "bootstrap" in one.ci_method
    assert "group" in one.ci_method
    assert len(one.joint_draws["images"]) == 1000


def test_one_group_is_refused():
    data, X = few(1)
    with pytest.raises(InputError, match="1 group"):
        score(data, X, Predictivity(metric="ridge"), groups="film")


def test_names_of_variants():
    asked = itertools.product(("paper", "brainscore"), (None, "auto"))
    assert [Settings(protocol=protocol, groups=groups).variant for protocol, groups in asked] == [
        "paper",
        "paper+groups",
        "brainscore",
        "brainscore+groups",
    ]
