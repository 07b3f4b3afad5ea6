"""Scores over several recording sessions, each with stimuli and neuroids of its own."""

from dataclasses import replace

import numpy as np
import pytest
from known import benchmark, context_of
from several import SIZES, Several, several

from brainbench.core.dataset import HasSessions
from brainbench.core.errors import InputError
from brainbench.core.settings import Settings
from brainbench.scoring.context import Run
from brainbench.scoring.pipeline import score as score_model


def score(data, model, **settings):
    return score_model(benchmark(data), model, Settings(**settings))


def test_each_session_is_fitted_alone_and_neuroids_are_put_together():
    data, model = several()
    whole = score(data, model)
    alone = {name: score(part, model) for name, part in data.parts.items()}
    assert whole.per_unit.coords["session"].values.tolist() == (
        ["friday"] * 7 + ["monday"] * 5 + ["tuesday"] * 4
    )
    for name, one in alone.items():
        mine = whole.per_unit[whole.per_unit.session == name]
        np.testing.assert_array_equal(mine.values, one.per_unit.values)
    everyone = np.concatenate([one.per_unit.values for one in alone.values()])
    assert whole.value == pytest.approx(np.median(everyone), abs=1e-12)
    assert (whole.n_units, whole.n_stimuli) == (16, 150)
    told = {row["session"]: row for row in whole.record.choices["sessions"]}
    for name, one in alone.items():
        assert told[name]["raw"] == pytest.approx(one.raw, abs=1e-12)
    assert [row["session"] for row in whole.selection.curve] == ["friday", "monday", "tuesday"]


def test_brainscore_takes_the_median_over_all_neuroids_in_each_split():
    data, model = several(with_trials=SIZES)
    whole = score(data, model, protocol="brainscore")
    pieces = [score(part, model, protocol="brainscore") for part in data.parts.values()]
    r = np.concatenate([by_split(one) for one in pieces], axis=1)
    medians = np.median(r, axis=1)
    assert whole.raw == pytest.approx(medians.mean(), abs=1e-12)
    assert whole.error == pytest.approx(medians.std() / np.sqrt(10), abs=1e-12)
    assert whole.value == pytest.approx(whole.raw**2 / whole.ceiling, abs=1e-12)
    assert whole.excluded == {}


def by_split(one):
    """Correlations from the stored predictions, split x neuroid; NaN blocks are other sessions."""
    table = one.predictions
    rows = []
    for _, fold in table.groupby("fold"):
        pairs = zip(fold.predicted.values.T, fold.target.values.T, strict=True)
        rows.append([np.corrcoef(p[~np.isnan(p)], t[~np.isnan(p)])[0, 1] for p, t in pairs])
    return np.array(rows)


def test_predictions_give_the_score_back():
    data, model = several()
    whole = score(data, model)
    assert dict(whole.predictions.sizes) == {"sample": 150, "neuroid": 16}
    assert int(whole.predictions.target.notnull().sum()) == 60 * 5 + 40 * 4 + 50 * 7
    r = by_split(whole)
    assert np.median(r.mean(axis=0)) == pytest.approx(whole.value, abs=1e-12)


def test_ceiling_is_given_only_where_it_covers_all_that_counts():
    data, model = several(with_trials=["tuesday"])
    paper = score(data, model)
    assert paper.ceiling is None
    assert paper.value == paper.raw
    assert paper.n_units == 16
    known = paper.per_unit.session == "tuesday"
    assert (paper.per_unit.coords["ceiling"].notnull() == known).all()
    assert paper.record.choices["sites_with_ceiling"] == 4
    told = {row["session"]: row["ceiling"] for row in paper.record.choices["sessions"]}
    assert told["monday"] is told["friday"] is None
    assert told["tuesday"] == score(data.parts["tuesday"], model).ceiling


def test_formula_with_a_ceiling_speaks_of_the_sites_that_have_one():
    data, model = several(with_trials=["tuesday"])
    whole = score(data, model, protocol="brainscore")
    alone = score(data.parts["tuesday"], model, protocol="brainscore")
    assert (whole.value, whole.raw, whole.ceiling) == (alone.value, alone.raw, alone.ceiling)
    assert whole.ci == pytest.approx(alone.ci, abs=0.02)  # units of another population
    assert (whole.n_units, whole.n_excluded) == (4, 12)
    assert whole.excluded == {"no repeated trials, so no r2/c": 12}
    assert whole.per_unit.notnull().all()  # raw r of the others is kept


def test_no_session_with_trials_has_no_ceiling():
    data, model = several()
    whole = score(data, model, protocol="brainscore")
    assert whole.value is None
    assert "r2/c" in whole.reason
    assert whole.n_units == 16


def test_order_of_sessions_changes_nothing():
    data, model = several()
    other, _ = several(names=("tuesday", "friday", "monday"))
    assert list(other.sessions()) != list(data.sessions())
    one, two = score(data, model), score(other, model)
    assert (one.value, one.ci) == (two.value, two.ci)
    np.testing.assert_array_equal(one.per_unit.neuroid_id, two.per_unit.neuroid_id)


def test_one_session_scores_as_data_without_sessions():
    data, model = several(names=("monday",))
    one, plain = score(data, model), score(data.parts["monday"], model)
    assert (one.value, one.n_stimuli) == (plain.value, plain.n_stimuli)
    assert one.ci == pytest.approx(plain.ci, abs=0.02)  # units of another population
    assert "session" not in plain.per_unit.coords


def test_limit_holds_in_each_session():
    data, model = several()
    short = score(data, model, limit=42)
    assert (short.partial, short.n_stimuli) == (True, 42 + 40 + 42)


def test_activations_are_asked_for_session_by_session():
    data, model = several()
    context = context_of(benchmark(data), model, limit=42)
    sets = context.benchmark.measure.stimulus_sets(context)
    assert [len(stimuli) for stimuli in sets] == [42, 42, 40]
    plain = context_of(benchmark(data.parts["monday"]), model)
    (only,) = plain.benchmark.measure.stimulus_sets(plain)
    assert only is plain.stimuli()


# --- errors ---------------------------------------------------------------------------------------


def test_sessions_that_share_a_neuroid_id():
    data, model = several(same_sites=True)
    with pytest.raises(InputError, match="all sessions together has 5 duplicate neuroid_id"):
        score(data, model)


def test_session_that_is_too_short_is_named():
    data, model = several()
    with pytest.raises(
        InputError, match=r"Known\.IT-pls, session friday: 20 images, of which 18 are left"
    ):
        score_model(benchmark(data, n_components=25), model, Settings(limit=20))


def test_session_with_constant_sites_is_named():
    data, model = several()
    recording = data.parts["friday"].regions["IT"]
    silent = replace(data.parts["friday"], regions={"IT": recording * 0 + 1})
    silent.regions["IT"].attrs.update(recording.attrs)
    changed = Several(parts={**data.parts, "friday": silent})
    with pytest.raises(InputError, match=r"all 7 sites of Known\.IT-pls, session friday"):
        score(changed, model)


def test_data_without_any_session():
    empty = Several(parts={})
    assert isinstance(empty, HasSessions)
    with pytest.raises(InputError, match="data set 'Several' has no session"):
        Run().sessions(empty)


def test_all_components_are_kept_where_none_are_asked_for():
    data, model = several(names=("monday",))
    part = data.parts["monday"]
    everything = score_model(benchmark(part, n_pca=None), model)
    lossless = score_model(benchmark(part, n_pca=1000), model)
    fewer = score_model(benchmark(part, n_pca=3), model)
    assert everything.value == pytest.approx(lossless.value, abs=1e-12)
    assert fewer.value < everything.value
    assert (everything.record.choices["features"], fewer.record.choices["features"]) == (6, 3)
    assert everything.record.choices["pca"] == "none"
    assert "training images of each fold" in fewer.record.choices["pca"]
