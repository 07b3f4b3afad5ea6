"""Too few images of behavior: one error, with the number that is enough and why."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from known import Known
from subjects import (
    STRONG,
    AnswerData,
    SolvingData,
    TrialData,
    behavior_benchmark,
    category_answers,
    pictures,
    two_way_trials,
)

from brainbench.core.errors import InputError
from brainbench.core.model import BEHAVIOR
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.scoring.behavior.choices import CategoryChoices
from brainbench.scoring.behavior.error_consistency import ErrorConsistency
from brainbench.scoring.behavior.i2n import I2n
from brainbench.scoring.pipeline import score
from brainbench.scoring.solution_times.measure import SolutionTimes

OBJECTS, EACH, P = 4, 12, 6
N = OBJECTS * EACH
IDS = [f"im{(7 * k) % N:03d}" for k in range(N)]
LABELS = np.array([f"obj{k % OBJECTS}" for k in range(N)])
PHOTOGRAPHS = [f"photograph{k // (2 * OBJECTS)}-{k % OBJECTS}" for k in range(N)]
BINS = [(70.0 + 10 * k, 80.0 + 10 * k) for k in range(18)]
MEASURES = {
    "i2n": I2n(readout=STRONG, n_simulated=10),
    "choices": CategoryChoices(readout=STRONG),
    "choices by photograph": CategoryChoices(readout=STRONG, group="photograph"),
    "errors": ErrorConsistency(readout=STRONG),
    "times": SolutionTimes(decoder="converged"),
}


def worlds(n=N, labels=LABELS):
    """Data of each kind for the first n images, and features by bins in which objects appear one by one."""
    rng = np.random.default_rng(3)
    centers = 1.5 * rng.standard_normal((OBJECTS, P))
    truth = np.arange(N) % OBJECTS
    onset = rng.uniform(90, 180, N)
    rise = 1 / (1 + np.exp(-(np.arange(70, 250, 10) - onset[:, None]) / 12))
    X = centers[truth][:, :, None] * rise[:, None] + 0.7 * rng.standard_normal((N, P, 1))
    logits = X[:, :, -1] @ centers.T
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    kept, names = slice(n), labels[:n]
    two_way = p[np.arange(N), truth][:, None] / (p[np.arange(N), truth][:, None] + p)
    two_way[np.arange(N), truth] = np.nan
    shown = pictures(IDS[:n], object_name=names, photograph=PHOTOGRAPHS[:n])
    trials = two_way_trials(two_way, IDS, LABELS, n=6).query("stimulus_id in @shown.ids")
    answers = category_answers(p, IDS, LABELS, n_subjects=6).query("stimulus_id in @shown.ids")
    times = pd.DataFrame({"stimulus_id": IDS, "i1": 0.4, "ost": onset})[kept]
    of = {"pictures": shown, "regions": {}}
    answered = AnswerData(name="Known", table=answers.reset_index(drop=True), **of)
    data = {
        "i2n": TrialData(name="Known", table=trials.reset_index(drop=True), **of),
        "choices": answered,
        "choices by photograph": answered,
        "errors": answered,
        "times": SolvingData(name="Known", table=times, **of),
    }
    return data, X


def benchmark(name, data):
    declared = behavior_benchmark(data, MEASURES[name])
    return declared if name != "times" else declared.__class__(**{**vars(declared), **OVER_TIME})


OVER_TIME = {"region": "IT", "window": (70, 250)}


def model_of(X, n_layers=1):
    layers = [f"layer{k}" for k in range(n_layers)]
    return Known(
        responses=dict.fromkeys(layers, X),
        ids=IDS,
        areas={"IT": layers, BEHAVIOR: layers},
        clocks={"bins": Timeline(name="bins", source="t", steps=dict.fromkeys(layers, BINS))},
        static=False,
    )


@pytest.fixture(scope="module")
def world():
    return worlds()


def least_of(error):
    found = re.search(r"at least (\d+) images", error.allowed)
    assert found, error.allowed
    assert "limit" in error.todo
    return int(found[1])


@pytest.mark.parametrize(
    ("name", "formula"),
    [*((name, "raw") for name in MEASURES), ("i2n", "r/sqrt(c)"), ("choices", "r/sqrt(c)")],
)
def test_the_least_number_of_images_is_said_at_once(world, name, formula):
    data, X = world
    declared, model = benchmark(name, data[name]), model_of(X)
    said = set()
    for n in (2, 3, 5, 9, 10, 12):
        settings = Settings(limit=n, formula=formula)
        try:
            found = score(declared, model, settings)
        except InputError as error:
            said.add(least_of(error))
        else:
            assert found.value is not None or found.reason
            assert n >= max(said)
    (least,) = said
    enough = score(declared, model, Settings(limit=least, formula=formula))
    assert enough.value is not None or enough.reason
    with pytest.raises(InputError):
        score(declared, model, Settings(limit=least - 1))


@pytest.mark.parametrize(("name", "least"), [("i2n", 12), ("errors", 12), ("choices", 12)])
def test_a_layer_to_select_asks_for_more(world, name, least):
    data, X = world
    declared = benchmark(name, data[name])
    with pytest.raises(InputError) as error:
        score(declared, model_of(X, 2), Settings(limit=8))
    assert least_of(error.value) == least
    assert "a layer is selected" in error.value.allowed
    score(declared, model_of(X, 2), Settings(limit=least))


@pytest.mark.parametrize("name", MEASURES)
@pytest.mark.parametrize("n", [1, 3, 4, 6])
def test_a_data_set_that_is_too_small_is_refused_as_a_whole(name, n):
    data, X = worlds(n)
    with pytest.raises(InputError) as error:
        score(benchmark(name, data[name]), model_of(X))
    assert "limit" not in error.value.todo
    assert re.search(r"of each of|of each object|two objects", error.value.allowed)


@pytest.mark.parametrize("name", ["i2n", "choices", "errors"])
def test_an_object_of_one_image_is_named(name):
    labels = LABELS.copy()
    labels[5] = "owl"
    data, X = worlds(labels=labels)
    with pytest.raises(InputError, match="images of owl: 1") as error:
        score(benchmark(name, data[name]), model_of(X))
    assert "2 images of each of 5 objects" in error.value.allowed
    assert "owl" in error.value.todo


@pytest.mark.parametrize(
    ("name", "level", "kept", "least"),
    [
        ("i2n", "i2n", slice(30, 40), 35),
        ("i2n", "i1", slice(30, 40), 33),
        ("choices", None, slice(30, 40), 36),
        ("errors", None, slice(30, 40), 32),
        ("times", None, slice(30, 40), 32),
        (
            "i2n",
            "i2n",
            slice(8, 48, 6),
            None,
        ),  # two images of each object, and no others, have trials
        ("i2n", "i2n", slice(8, 10), 0),  # of different objects: no number of images is enough
        ("errors", None, slice(8, 9), 0),
        ("times", None, slice(8, 9), 0),
    ],
)
def test_a_limit_that_keeps_hardly_any_image_with_answers_is_named(world, name, level, kept, least):
    """Rows of the table are about some of the sorted images alone."""
    data, X = world
    asked = sorted(IDS)[kept]
    table = data[name].table
    has = table["stimulus_id"].isin(asked)
    table = table.assign(ost=table["ost"].where(has)) if name == "times" else table[has]
    of_some = replace(data[name], table=table.reset_index(drop=True))
    declared = benchmark(name, of_some)
    if level:
        declared = replace(declared, measure=replace(declared.measure, level=level))
    with pytest.raises(InputError) as error:
        score(declared, model_of(X), Settings(limit=12 if name != "times" else 24))
    if least == 0:
        assert "limit" not in error.value.todo
        assert "least" not in error.value.allowed
        return
    said = least_of(error.value)
    assert least in (None, said)
    score(declared, model_of(X), Settings(limit=said))
    with pytest.raises(InputError, match=f"{said} images"):
        score(declared, model_of(X), Settings(limit=said - 1))
