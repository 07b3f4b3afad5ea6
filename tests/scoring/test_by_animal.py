"""The figure of each animal and session, and over animals their interval: for every neural measure."""

import json
from dataclasses import replace

import numpy as np
import over_time as dynamics
import pytest
from known import benchmark, brain, model_of
from scipy.stats import t
from several import several

from brainbench.core.settings import Settings
from brainbench.scoring.pipeline import score as score_model
from brainbench.scoring.regression.explained_variance import ExplainableVariance
from brainbench.scoring.regression.predictivity import Predictivity
from brainbench.scoring.similarity.measure import Similarity

SITES = {"Ada": 4, "Bo": 7, "Cy": 5, "Di": 6}
MEASURES = {
    "pls": Predictivity(n_components=3),
    "ridge": Predictivity(metric="ridge", formula="r/sqrt(c)"),
    "ccnorm": ExplainableVariance(metric="ridge-cv"),
    "rsa": Similarity(metric="rsa"),
    "cka": Similarity(metric="cka"),
}


def recorded(animals, *, session=False, simulated=False, seed=0):
    """Sites of several animals that are linear in features of 60 images, and the features."""
    rng = np.random.default_rng(seed)
    names = np.repeat(list(animals), [SITES[name] for name in animals])
    X = rng.standard_normal((60, 6))
    signal = X @ rng.standard_normal((6, len(names)))
    data = brain(None, trials=signal + rng.standard_normal((6, 60, len(names))))
    coords = {"animal": ("neuroid", names)}
    coords |= {"session": ("neuroid", np.where(names == "Bo", "2", "1"))} if session else {}
    regions = {"IT": data.regions["IT"].assign_coords(coords)}
    return replace(data, regions=regions, simulated=simulated), X


def of_animal(data, name):
    """The data of one animal alone."""
    sites = np.flatnonzero(data.regions["IT"].animal.values == name)
    return replace(data, regions={"IT": data.regions["IT"].isel(neuroid=sites)})


def score(data, X, measure, **options):
    declared = replace(benchmark(data), measure=measure)
    return score_model(declared, model_of(data, X), Settings(**{"resample": "images", **options}))


@pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
def test_the_figure_of_an_animal_is_that_of_its_sites_alone(measure):
    data, X = recorded(["Ada", "Bo"], session=True)
    one = score(data, X, measure)
    assert set(one.figures["by_animal"]) == {"Ada", "Bo"}
    for name, row in one.figures["by_animal"].items():
        alone = score(of_animal(data, name), X, measure)
        assert row["n_units"] == SITES[name]
        figures = (alone.raw, alone.ceiling, alone.value)
        assert (row["raw"], row["ceiling"], row["value"]) == pytest.approx(figures, abs=1e-9)
        assert alone.figures["by_animal"][name] == pytest.approx(row, abs=1e-9)
    by_session = one.figures["by_session"]
    assert by_session["2"] == one.figures["by_animal"]["Bo"]
    assert by_session["1"] == one.figures["by_animal"]["Ada"]


def over_time(data, X, sites, names):
    """Score of neural dynamics of some sites, two quarters held out."""
    one = replace(data, regions={"IT": data.regions["IT"].isel(neuroid=sites)})
    named = dynamics.with_coordinates(one, animal=names[sites])
    declared = dynamics.benchmark(named, n_splits=2, scored=(0, 60))
    return score_model(declared, dynamics.model_of(data, X), Settings(resample="images"))


def test_dynamics():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((dynamics.N, dynamics.P, dynamics.BINS))
    signal = np.einsum("npt,ps->nst", X, rng.standard_normal((dynamics.P, dynamics.SITES)))
    trials = signal + rng.standard_normal((6, *signal.shape))
    data = brain(None, trials=trials, time=dynamics.TIME)
    names = np.array(["Ada"] * 2 + ["Bo"] * (dynamics.SITES - 2))
    whole = over_time(data, X, np.arange(dynamics.SITES), names)
    for name, row in whole.figures["by_animal"].items():
        sites = np.flatnonzero(names == name)
        alone = over_time(data, X, sites, names)
        figures = (len(sites), alone.raw, alone.ceiling, alone.value)
        found = (row["n_units"], row["raw"], row["ceiling"], row["value"])
        assert found == pytest.approx(figures, abs=1e-9)


def test_two_animals_have_no_interval_over_animals_and_the_score_says_so():
    data, X = recorded(["Ada", "Bo"])
    one = score(data, X, MEASURES["pls"])
    over = one.figures["over_animals"]
    values = [row["value"] for row in one.figures["by_animal"].values()]
    assert (over["ci"], over["n_animals"], one.n_animals) == (None, 2, 2)
    assert over["ci_method"].startswith("none: 2 animals")
    assert over["mean"] == pytest.approx(np.mean(values))
    assert one.for_these_animals
    again = type(one).from_json(json.loads(json.dumps(one.to_json())))
    assert (again.n_animals, again.for_these_animals) == (2, True)


def test_from_three_animals_on_there_is_the_interval_of_a_mean():
    data, X = recorded(SITES)
    one = score(data, X, MEASURES["pls"])
    values = np.array([row["value"] for row in one.figures["by_animal"].values()])
    half = t.ppf(0.975, 3) * values.std(ddof=1) / 2
    over = one.figures["over_animals"]
    assert over["ci"] == pytest.approx([values.mean() - half, values.mean() + half])
    assert not one.for_these_animals


def test_without_names_of_animals_nothing_is_said():
    data, X = recorded(["Ada"])
    unnamed = replace(data, regions={"IT": data.regions["IT"].drop_vars("animal")})
    one = score(unnamed, X, MEASURES["pls"])
    assert one.n_animals is None
    assert not one.for_these_animals
    assert not {"by_animal", "over_animals", "by_session"} & set(one.figures)
    simulated = score(*recorded(["Ada"], simulated=True), MEASURES["pls"])
    assert (simulated.n_animals, "by_animal" in simulated.figures) == (None, False)


def test_sites_below_the_floor_do_not_count():
    data, X = recorded(["Ada", "Bo"])
    whole = score(data, X, MEASURES["pls"])
    c = whole.per_unit.coords["ceiling"].values
    floor = float(np.sort(c)[5])
    floored = score(data, X, MEASURES["pls"], floor=floor)
    counted = [row["n_units"] for row in floored.figures["by_animal"].values()]
    assert counted == [int((c[:4] >= floor).sum()), int((c[4:] >= floor).sum())]


def test_sessions_have_their_own_figures():
    data, model = several(with_trials=["tuesday"])
    one = score_model(benchmark(data), model, Settings(resample="images"))
    by_session = one.figures["by_session"]
    assert [row["n_units"] for row in by_session.values()] == [7, 5, 4]
    assert [row["ceiling"] is None for row in by_session.values()] == [True, True, False]
    for name, row in by_session.items():
        alone = score_model(benchmark(data.parts[name]), model, Settings(resample="images"))
        assert row["value"] == pytest.approx(alone.value, abs=1e-12)
        assert row["ceiling"] == alone.ceiling
