"""Small and odd samples: each measure of recordings has a value, or the true reason why it has none."""

import re
from dataclasses import replace

import numpy as np
import pytest
from known import Known, benchmark, brain, model_of
from several import several

from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.scoring.pipeline import score
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.sample_size import ImagesNeeded
from brainbench.scoring.similarity.measure import Similarity

MEASURES = {
    "pls": Predictivity(n_components=3),
    "ridge": Predictivity(metric="ridge-cv"),
    "units": Predictivity(metric="neuron-to-neuron"),
    "ccnorm": ExplainableVariance(),
    "rsa": Similarity(metric="rsa"),
    "cka": Similarity(metric="cka"),
}
EVERY = pytest.mark.parametrize("name", MEASURES)


def world(n=40, sites=4, objects=False, change=lambda trials: trials):
    """Benchmark data of n images, and features that its sites are linear in, with noise."""
    rng = np.random.default_rng(1)
    X = rng.standard_normal((n, 12))
    signal = X @ rng.standard_normal((12, sites)) / 3
    trials = change(signal + rng.standard_normal((6, n, sites)))
    return brain(None, trials=trials, objects=objects, ids=[f"im{k:03d}" for k in range(n)]), X


def on(data, name):
    return replace(benchmark(data), measure=MEASURES[name])


@EVERY
def test_an_object_for_each_image_is_no_object(name):
    data, X = world()
    metadata = data.pictures.metadata.assign(object_name=list(data.pictures.ids))
    numbered = replace(data, pictures=replace(data.pictures, metadata=metadata))
    plain, same = (score(on(one, name), model_of(data, X)) for one in (data, numbered))
    assert plain.value == same.value
    assert not same.record.choices.get("stratified", False)


@EVERY
@pytest.mark.parametrize(("size", "named"), [(1e200, r"e\+200"), (1e-200, "e-200")])
def test_responses_that_float32_does_not_hold_are_named(name, size, named):
    def change(trials):
        trials[:, :, 1] *= size
        return trials

    data, X = world(change=change)
    with pytest.raises(InputError, match=rf"site1.*{named}"):
        score(on(data, name), model_of(data, X))


@EVERY
def test_one_site(name):
    data, X = world(sites=1)
    if name == "rsa":
        with pytest.raises(InputError, match="single unit"):
            score(on(data, name), model_of(data, X))
        return
    assert score(on(data, name), model_of(data, X)).n_units == 1


@pytest.mark.parametrize("name", ["pls", "ridge", "units", "ccnorm"])
def test_a_constant_site_is_counted_as_constant(name):
    def change(trials):
        trials[:, :, 2] = 7.0
        return trials

    data, X = world(change=change)
    found = score(on(data, name), model_of(data, X))
    ((reason, count),) = found.excluded.items()
    assert (count, found.n_units) == (1, 3)
    assert re.search("constant|the same response", reason)


@EVERY
def test_no_site_varies(name):
    data, X = world(change=lambda trials: np.full_like(trials, 3.0))
    with pytest.raises(InputError, match=r"the same|not vary"):
        score(on(data, name), model_of(data, X))


@pytest.mark.parametrize(("metric", "least"), [("rsa", 4), ("cka", 5)])
def test_the_fewest_images_of_a_similarity_have_an_interval(metric, least):
    data, X = world(least)
    lo, hi = score(on(data, metric), model_of(data, X)).ci
    assert lo < hi
    few, X = world(least - 1)
    with pytest.raises(InputError, match=f"{least - 1} images") as error:
        score(on(few, metric), model_of(few, X))
    assert f"at least {least} images" in error.value.allowed


def test_units_that_do_not_vary_have_a_reason_under_brainscore():
    data, X = world()
    silent = model_of(data, np.ones_like(X))
    found = score(on(data, "units"), silent, Settings(protocol="brainscore"))
    assert (found.status, found.value, found.error) == ("failed", None, None)


@pytest.mark.parametrize("name", ["pls", "ridge", "units", "ccnorm"])
@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_copies_count_once_where_they_stay_together(name, protocol):
    data, X = world(24)
    pictures = np.stack([data.pictures.picture(k // 2) for k in range(24)])
    doubled = replace(data.pictures, read=lambda row: pictures[row], rows=tuple(range(24)))
    copied = replace(data, pictures=doubled)
    if protocol not in MEASURES[name].protocols:
        return
    if protocol == "brainscore":
        assert score(on(copied, name), model_of(data, X), Settings(protocol=protocol)).value
        return
    with pytest.raises(InputError, match=r"12 images .24 with copies"):
        score(on(copied, name), model_of(data, X))


def test_images_that_the_selection_of_a_layer_needs_are_asked_for_at_once():
    data, X = world(21)
    model = model_of(data, X)
    several_layers = Known(
        **{
            **vars(model),
            "responses": {"a": X[..., None], "b": X[..., None]},
            "areas": {"IT": "ab"},
        }
    )
    ridge = replace(benchmark(data), measure=Predictivity(n_components=14))
    with pytest.raises(InputError, match="the inner folds") as error:
        score(ridge, several_layers)
    assert "at least 22 images" in error.value.allowed
    with pytest.raises(InputError, match="14 PLS components"):  # enough images: too few features
        score(ridge, model)


def test_steps_of_a_nominal_clock_count_as_layers():
    data, X = world(21)
    steps = Timeline(name="two", source="test", steps={"IT": [(0, 150), (150, 300)]}, nominal=True)
    model = Known(
        responses={"IT": np.stack([X, X], axis=2)},
        ids=data.pictures.ids,
        areas={"IT": ["IT"]},
        clocks={"two": steps},
        static=False,
    )
    with pytest.raises(InputError, match="the inner folds"):
        score(replace(benchmark(data), measure=Predictivity(n_components=14)), model)


def test_a_session_that_is_too_short_is_named_before_any_is_read():
    data, model = several()
    with pytest.raises(InputError, match=r"friday: 3 images") as error:
        score(replace(benchmark(data), measure=MEASURES["ridge"]), model, Settings(limit=3))
    assert "at least 20 images" in error.value.allowed


@pytest.mark.parametrize("n_splits", [2, 5, 10])
@pytest.mark.parametrize("n_inner", [None, 2, 5])
@pytest.mark.parametrize("training", [2, 26])
@pytest.mark.parametrize("n_objects", [1, 3])
def test_the_number_that_is_said_is_the_least_that_is_enough(
    n_splits, n_inner, training, n_objects
):
    needed = ImagesNeeded(what="it", n_splits=n_splits, n_inner=n_inner, training=training)

    def check(n):
        data, _ = world(n)
        objects = None if n_objects == 1 else np.arange(n) % n_objects
        needed.check("x", data.pictures, strata=objects, groups=data.pictures.copies)

    with pytest.raises(InputError) as error:
        check(n_objects)
    least = int(re.search(r"at least (\d+) images", error.value.allowed)[1])
    check(least)
    with pytest.raises(InputError):
        check(least - 1)


@pytest.mark.parametrize(
    "options", [{"n_splits": 1}, {"n_splits": 5, "n_inner": 1}, {"n_splits": -1}]
)
def test_a_single_fold_is_refused(options):
    with pytest.raises(InputError, match=r"1\b"):
        ImagesNeeded(what="it", **options)
