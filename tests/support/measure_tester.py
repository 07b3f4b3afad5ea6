"""The tests that every measure passes: figure, null, floor, interval, formula, limit, failure, key."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from known import context_of

from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.settings import Settings
from brainbench.scoring.pipeline import drawn_images, failure, score_context

FORMULAS = {"raw": 0.0, "r/c": 1.0, "r/sqrt(c)": 0.5}


class MeasureTester:
    """Base class of the tests of one measure; a subclass says what is scored.

    `case()` gives a benchmark on small data with trials, and a model that predicts it well.
    `case(trials=False)` gives the same without anything that a ceiling could be made of, or None where the
    measure has no such case. `repeated(evaluation, counts)` computes the raw figure slowly, from rows
    repeated as often as `counts` says, without pairs of an image with itself.
    """

    formulas: ClassVar[tuple[str, ...]] = ("raw", "r/c", "r/sqrt(c)")
    has_units: ClassVar[bool] = True
    has_floor: ClassVar[bool] = True
    value_of_parts: ClassVar[bool] = (
        False  # the formula is applied to parts, not to raw and ceiling
    )
    limit: ClassVar[int] = 48
    n_images: ClassVar[int] = 80

    def case(self, *, trials: bool = True) -> Any:
        raise NotImplementedError

    def repeated(self, evaluation: Any, counts: np.ndarray) -> float:
        raise NotImplementedError

    # --- helpers -----------------------------------------------------------------------------------

    def score(self, *, trials: bool = True, **chosen: Any) -> Any:
        return score_context(context_of(*self.case(trials=trials), **chosen))

    def evaluation(self, **chosen: Any) -> Any:
        context = context_of(*self.case(), **chosen)
        measure = context.benchmark.measure
        target = measure.target(context)
        return measure.evaluate(context, target, measure.candidates(context, target))

    # --- figures -----------------------------------------------------------------------------------

    def test_a_figure_of_counts_is_that_of_repeated_images(self):
        evaluation = self.evaluation(formula="raw")
        n = sum(len(one.ids) for one in evaluation.material.image_sets)
        counts = np.random.default_rng(0).integers(0, 3, (3, n)).astype(float)
        drawn = evaluation.figure(counts).value("raw")
        slow = [self.repeated(evaluation, row.astype(int)) for row in counts]
        np.testing.assert_allclose(drawn, slow, atol=1e-9)
        once = evaluation.figure(np.ones((1, n))).value("raw")[0]
        assert once == pytest.approx(evaluation.figure().value("raw")[0], abs=1e-9)
        assert once == pytest.approx(self.repeated(evaluation, np.ones(n, dtype=int)), abs=1e-9)

    def test_units_that_count_once_change_nothing(self):
        evaluation = self.evaluation()
        units = evaluation.resampling.units
        assert (units is not None) == self.has_units
        if units is not None:
            ones = np.ones((2, units.n))
            plain = evaluation.figure().value("raw")
            np.testing.assert_allclose(evaluation.figure(None, ones).value("raw"), plain[0])

    def test_draws_of_images_and_units_go_together(self):
        evaluation = self.evaluation()
        images = drawn_images(evaluation, n_draws=4, seed=0)
        units = evaluation.resampling.units
        counts = None if units is None else np.ones((4, units.n))
        together = evaluation.figure(images, counts).value("raw")
        np.testing.assert_allclose(together, evaluation.figure(images).value("raw"), atol=1e-12)

    @pytest.mark.parametrize("formula", FORMULAS)
    def test_the_formula_is_used_and_named(self, formula):
        if formula not in self.formulas:
            with pytest.raises(NotApplicableError, match=formula.replace("(", r"\(")):
                self.score(formula=formula)
            return
        score = self.score(formula=formula)
        assert score.formula == f"{formula}-v1"
        if not self.value_of_parts:
            expected = score.raw / (score.ceiling ** FORMULAS[formula] if score.ceiling else 1.0)
            assert score.value == pytest.approx(expected, abs=1e-9)

    def test_the_same_score_twice(self):
        first, second = (
            self.score(null="images", null_draws=3),
            self.score(null="images", null_draws=3),
        )
        assert (first.value, first.raw, first.ceiling, first.ci) == (
            second.value,
            second.raw,
            second.ceiling,
            second.ci,
        )
        assert first.null == second.null
        np.testing.assert_array_equal(first.draws, second.draws)

    def test_without_trials_there_is_a_reason_in_place_of_a_ceiling(self):
        if self.case(trials=False) is None:
            pytest.skip("this measure always has a ceiling")
        raw = self.score(trials=False, formula="raw")
        assert raw.status == "scored"
        assert raw.ceiling is None
        if "r/c" in self.formulas:
            score = self.score(trials=False, formula="r/c")
            assert (score.status, score.value, score.ci) == ("failed", None, None)
            assert "r/c" in score.reason

    # --- interval and null ---------------------------------------------------------------------------

    @pytest.mark.parametrize("resample", ["images", "units", "both"])
    def test_the_interval_holds_the_value_and_says_what_is_random(self, resample):
        score = self.score(resample=resample)
        if resample == "units" and not self.has_units:
            assert score.ci is None
            assert any("no interval" in note for note in score.record.notes)
            return
        assert score.ci[0] <= score.value <= score.ci[1]
        assert score.draws.shape == (1000,)
        assert np.nanmedian(score.draws) == pytest.approx(score.value)
        assert ("images" in score.ci_method) == (resample != "units" or not self.has_units)
        assert isinstance(score.ci_approximate, bool)

    def test_few_images_make_the_interval_approximate(self):
        evaluation = self.evaluation()
        assert evaluation.n_images > 0
        if evaluation.n_images < 40:
            assert self.score().ci_approximate

    def test_the_null_is_below_the_score(self):
        null = self.score(null="images", null_draws=19).null
        assert (null["kind"], null["n_draws"]) == ("images", 19)
        assert null["resolution"] == 0.05
        assert null["p"] <= 0.1
        assert self.score().null is None

    # --- settings ------------------------------------------------------------------------------------

    def test_a_limit_marks_the_score_as_partial(self):
        short = self.score(limit=self.limit)
        assert (short.partial, short.n_stimuli) == (True, self.limit)
        whole = self.score(limit=10 * self.n_images)
        assert (whole.partial, whole.n_stimuli) == (False, self.n_images)

    def test_a_floor_leaves_units_out_or_is_noted(self):
        if not self.has_floor:
            score = self.score(floor=0.2)
            assert any("floor" in note for note in score.record.notes)
            return
        with pytest.raises(InputError, match=r"0\.9999"):
            self.score(floor=0.9999)
        everyone, floored = self.score(), self.score(floor=0.0)
        assert floored.n_units <= everyone.n_units

    def test_a_model_without_the_region_does_not_apply(self):
        benchmark, model = self.case()
        lost = replace(model, areas={"V9": tuple(model.areas[benchmark.region])})
        with pytest.raises(NotApplicableError, match=benchmark.region):
            score_context(context_of(benchmark, lost))

    def test_a_protocol_without_rules_does_not_apply(self):
        benchmark, model = self.case()
        measure = benchmark.measure
        absent = {"paper", "brainscore"} - set(measure.protocols)
        for protocol in absent:
            with pytest.raises(NotApplicableError, match=protocol):
                score_context(context_of(benchmark, model, protocol=protocol))
        for protocol in measure.protocols:
            assert self.score(protocol=protocol).protocol == protocol

    # --- what a score says ---------------------------------------------------------------------------

    def test_the_record_is_complete(self):
        score = self.score()
        assert set(score.record.hashes) == {"stimuli", "data", "model", "target"}
        assert score.record.seeds["bootstrap"] == 0
        assert score.record.choices["window_ms"]
        assert score.selection.layer is not None
        assert score.n_units > 0
        assert score.n_excluded == sum(score.excluded.values())
        again = type(score).from_json(json.loads(json.dumps(score.to_json())))
        assert (again.value, again.ci, again.selection, again.status) == (
            score.value,
            score.ci,
            score.selection,
            score.status,
        )

    def test_the_options_are_plain_values(self):
        benchmark, _ = self.case()
        config = benchmark.measure.config()
        assert json.loads(json.dumps(config)) == config
        assert set(config) == {"measure", *(one.name for one in fields(benchmark.measure))}

    def test_a_failure_keeps_the_identity(self):
        benchmark, model = self.case()
        score = failure(
            benchmark, Settings(), model=model.name, weights="none", status="failed", reason="why"
        )
        assert (score.benchmark, score.value, score.reason) == (benchmark.identifier, None, "why")
