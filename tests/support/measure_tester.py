"""The tests that every measure passes: figure, null, floor, interval, formula, limit, failure, key."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from known import context_of

from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.settings import Settings
from brainbench.scoring.interval_and_null import drawn_images
from brainbench.scoring.pipeline import failure, score_context
from brainbench.stats.bootstrap import crossed, image_counts
from brainbench.stats.permutation import shuffles

BOUNDS = {"r2/c": (0, np.inf), "(r/c)^2": (0, np.inf), "clip(r/c)": (0, 1)}
"""Least and greatest value."""
FORMULAS = {
    "raw": lambda r, c: r,
    "r/c": lambda r, c: r / c,
    "(r/c)^2": lambda r, c: (r / c) ** 2,
    "r2/c": lambda r, c: r**2 / c,
    "r/sqrt(c)": lambda r, c: r / np.sqrt(c),
}


ODD_FEATURES = {
    "too large": lambda values: 1e200 * values,
    "too small": lambda values: 1e-200 * values,
    "NaN": lambda values: np.where(
        np.arange(values.size).reshape(values.shape) == 7, np.nan, values
    ),
    "infinite": lambda values: np.where(
        np.arange(values.size).reshape(values.shape) == 7, np.inf, values
    ),
    "constant": np.ones_like,
    "one unit": lambda values: values[:, :1],
    "equal units": lambda values: np.broadcast_to(values[:, :1], values.shape).copy(),
}
"""What a layer may respond, from what it does."""
ODD_REASONS = {
    "too large": r"layer .*e\+200",
    "too small": r"layer .*e-20",
    "NaN": "1 NaN",
    "infinite": "1 infinite",
    "constant": "the same|do not vary|not vary",
    "one unit": "unit|features",
    "equal units": "the same response of all features|features",
}
"""What the reason must name where there is no value."""


def _outcome(context):
    """Return the score and no reason, or None and the error."""
    try:
        return score_context(context), ""
    except InputError as error:
        return None, str(error)


class MeasureTester:
    """Base class of the tests of one measure; a subclass says what is scored, and what its measure lacks.

    `case()` gives a benchmark on small data with trials, and a model that predicts it well.
    `case(trials=False)` gives the same without anything that a ceiling could be made of.
    `repeated(evaluation, counts)` computes raw figure and ceiling slowly, from rows repeated as often as
    `counts` says, without pairs of an image with itself.
    """

    n_images: ClassVar[int] = 80
    limit: ClassVar[int] = 48
    few: ClassVar[int] = 30
    """Images with which the measure has a score, and the interval is approximate."""
    has_units: ClassVar[bool] = True
    """Units are drawn again in the interval."""
    has_floor: ClassVar[bool] = True
    """A floor omits units; else it is noted."""
    needs_trials: ClassVar[bool] = False
    """Without trials there is an error, not a raw score."""
    formulas: ClassVar[tuple[str, ...]] = tuple(FORMULAS)
    """Formulas that have a meaning; the others do not apply."""
    has_ceiling: ClassVar[bool] = True
    """A ceiling is computed; else that of `repeated` is NaN."""
    ceiling_without_trials: ClassVar[float | None] = None
    """Ceiling that a convention gives where there are no trials."""
    coverage_is_measured: ClassVar[bool] = True
    """Coverage of the intervals of this case was measured, with all images and the protocol's own formula."""
    settings: ClassVar[Mapping[str, Any]] = {}
    """Settings of all scores, where no test chooses others."""
    says_least_images: ClassVar[bool] = True
    """Too few images are an error that says how many are enough; else it is about images of each object."""
    n_repeated: ClassVar[int | None] = None
    """Images that count in the draws that are computed slowly; None for all."""

    def case(self, *, trials: bool = True) -> Any:
        raise NotImplementedError

    def repeated(self, evaluation: Any, counts: np.ndarray) -> tuple[float, float]:
        raise NotImplementedError

    # --- helpers -----------------------------------------------------------------------------------

    @property
    def divided(self) -> str:
        """A formula with a ceiling, the plain one where it has a meaning; raw where none has."""
        meant = [one for one in ("r/c", *self.formulas) if one in self.formulas and one != "raw"]
        return meant[0] if meant else "raw"

    def two_draws(self, evaluation: Any) -> np.ndarray:
        """Return how often each image counts in two draws, image by image."""
        n = sum(len(one.ids) for one in evaluation.material.image_sets)
        return np.random.default_rng(0).integers(0, 3, (2, n)).astype(float)

    def score(self, *, trials: bool = True, **chosen: Any) -> Any:
        return self.score_of(*self.case(trials=trials), **chosen)

    def score_of(self, benchmark: Any, model: Any, **chosen: Any) -> Any:
        return score_context(context_of(benchmark, model, **{**self.settings, **chosen}))

    def evaluation(self, *, films: Any = None, **chosen: Any) -> Any:
        """Evaluate the case; `films` become a column of the stimuli."""
        benchmark, model = self.case()
        if films is not None:
            shown = benchmark.data.pictures
            metadata = shown.metadata.assign(film=films)
            benchmark = benchmark.on(
                replace(benchmark.data, pictures=replace(shown, metadata=metadata))
            )
        context = context_of(benchmark, model, **{**self.settings, **chosen})
        measure = context.benchmark.measure
        target = measure.target(context)
        return measure.evaluate(context, target, measure.candidates(context, target))

    # --- figures -----------------------------------------------------------------------------------

    def test_a_figure_of_counts_is_that_of_repeated_images(self):
        evaluation = self.evaluation(formula=self.divided)
        counts = self.two_draws(evaluation)
        if self.n_repeated is not None:
            counts[:, self.n_repeated :] = 0
        drawn = evaluation.figure(counts).value("raw")
        for row, raw in zip(counts, drawn, strict=True):
            figure, slow = evaluation.figure(row[None]), self.repeated(evaluation, row.astype(int))
            assert np.isfinite(slow[1]) == self.has_ceiling
            fast = figure.mean_raw(), figure.mean_ceiling()
            assert fast == pytest.approx(slow, abs=1e-9, nan_ok=not self.has_ceiling)
            assert raw == pytest.approx(slow[0], abs=1e-9)
        once, figure = evaluation.figure(np.ones_like(counts[:1])), evaluation.figure()
        assert once.mean_raw() == pytest.approx(figure.mean_raw(), abs=1e-9)
        ceiling = pytest.approx(figure.mean_ceiling(), abs=1e-9, nan_ok=not self.has_ceiling)
        assert once.mean_ceiling() == ceiling

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
            with pytest.raises(NotApplicableError, match=re.escape(formula)):
                self.score(formula=formula)
            return
        score, figure = self.score(formula=formula), self.evaluation(formula=formula).figure()
        assert score.formula == f"{formula}-v1"
        parts = np.ones_like(figure.raw[0]) if figure.weights is None else figure.weights[0]
        used = parts > 0
        ceiling = np.full_like(figure.raw, np.nan) if figure.ceiling is None else figure.ceiling
        by_part = FORMULAS[formula](figure.raw[0, used], ceiling[0, used])
        assert score.value == pytest.approx(np.average(by_part, weights=parts[used]), abs=1e-9)
        if len(parts) == 1:
            expected = FORMULAS[formula](score.raw, score.ceiling)
            assert score.value == pytest.approx(expected, abs=1e-9)

    def test_the_formula_of_the_run_goes_before_that_of_the_benchmark(self):
        benchmark, model = self.case()
        formula = self.divided
        declared = replace(benchmark, measure=replace(benchmark.measure, formula=formula))
        own = self.score_of(declared, model)
        asked = self.score(formula=formula)
        assert (own.formula, own.value, own.ci) == (f"{formula}-v1", asked.value, asked.ci)
        assert self.score_of(declared, model, formula="raw").formula == "raw-v1"
        if "r/c" not in self.formulas:
            declared = replace(benchmark, measure=replace(benchmark.measure, formula="r/c"))
            with pytest.raises(NotApplicableError, match="r/c"):
                self.score_of(declared, model)
            assert self.score_of(declared, model, formula="raw").formula == "raw-v1"

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
        if self.needs_trials:
            with pytest.raises(InputError, match="trials"):
                self.score(trials=False)
            return
        raw = self.score(trials=False, formula="raw")
        assert (raw.status, raw.ceiling) == ("scored", self.ceiling_without_trials)
        if self.divided == "raw":
            return
        score = self.score(trials=False, formula=self.divided)
        if self.ceiling_without_trials is None:
            assert (score.status, score.value, score.ci) == ("failed", None, None)
            assert self.divided in score.reason
        else:
            assert score.value == pytest.approx(raw.raw / self.ceiling_without_trials)

    # --- interval and null ---------------------------------------------------------------------------

    @pytest.mark.parametrize("resample", ["images", "units", "both"])
    def test_the_interval_holds_the_value_and_says_what_is_random(self, resample):
        score, resampling = self.score(resample=resample), self.evaluation().resampling
        if resample == "units" and not self.has_units:
            assert (score.ci, score.draws) == (None, None)
            assert resampling.no_units in score.record.notes
            return
        assert score.ci[0] <= score.value <= score.ci[1]
        assert score.draws.shape == (1000,)
        joint = score.joint_draws
        kind = resample if self.has_units else "images"
        assert kind in joint
        assert len(joint) in (1, 3)
        drawn = (
            crossed(joint["both"], images=joint["images"], units=joint["units"])
            if len(joint) > 1
            else joint[kind]
        )
        formula = score.formula.removesuffix("-v1")
        least, most = BOUNDS.get(formula, (-np.inf, np.inf))  # moved draws are cut there
        moved = np.isfinite(drawn) & (score.draws > least) & (score.draws < most)
        shift, spread = (one[moved] for one in (drawn - score.draws, score.draws))
        np.testing.assert_allclose(shift, shift[0], atol=1e-3 * np.ptp(spread))
        assert np.nanmedian(score.draws) == pytest.approx(score.value)
        assert np.nanquantile(score.draws, [0.025, 0.975]) == pytest.approx(score.ci)
        drawn = resampling.words[resample if self.has_units else "images"]
        assert f" of {drawn}, " in score.ci_method
        assert resampling.remark in score.ci_method

    def test_draws_are_figures_of_the_images_that_all_measures_draw(self):
        score, evaluation = self.score(resample="images", seed=4), self.evaluation(seed=4)
        (image_set,) = evaluation.material.image_sets
        counts = image_counts(image_set.ids, seed=4)[:5]
        moved = score.draws[:5] - evaluation.figure(counts).value(score.formula.removesuffix("-v1"))
        np.testing.assert_allclose(moved, moved[0], atol=1e-9)

    def test_few_images_or_a_floor_make_the_interval_approximate(self):
        assert self.score().ci_approximate == (not self.coverage_is_measured)
        assert self.score(limit=self.few).ci_approximate
        if self.has_floor:
            assert self.score(floor=0.0).ci_approximate

    def test_the_null_is_below_the_score(self):
        null = self.score(null="images", null_draws=19).null
        assert (null["kind"], null["n_draws"]) == ("images", 19)
        assert null["resolution"] == 0.05
        assert null["p"] <= 0.1
        assert (self.score().null is None) == (self.evaluation().own_null is None)
        assert self.score(null="none").null is None

    def test_images_in_their_own_order_give_the_figure_itself(self):
        evaluation = self.evaluation(null="images", formula=self.divided)
        orders = [np.arange(len(one.ids))[None] for one in evaluation.material.image_sets]
        shuffled, figure = evaluation.shuffled(orders), evaluation.figure()
        for formula in {"raw", self.divided}:
            own = shuffled.value(formula)
            np.testing.assert_allclose(own, figure.value(formula), atol=1e-9)

    def test_groups_are_held_out_drawn_and_exchanged_whole(self):
        shown = self.case()[0].data.pictures
        within = shown.metadata.groupby("object_name").cumcount() // 2
        films = (shown.metadata.object_name + within.astype(str)).to_numpy()
        film = dict(zip(shown.ids, films, strict=True))
        evaluation = self.evaluation(films=films, groups="film", null="images")
        (image_set,) = evaluation.material.image_sets
        mine = np.array([film[one] for one in image_set.ids])
        assert len(set(mine)) == len(mine) // 2
        order = np.argsort(mine, kind="stable")
        counts = drawn_images(evaluation, n_draws=5, seed=0)[:, order]
        np.testing.assert_array_equal(counts[:, ::2], counts[:, 1::2])
        (orders,) = [
            shuffles(len(mine), groups=one.groups, n_draws=3)
            for one in evaluation.material.image_sets
        ]
        assert np.isfinite(evaluation.shuffled([orders]).value("raw")).all()
        predictions = evaluation.report(evaluation.figure()).predictions
        if predictions is not None and "fold" in predictions.coords:
            folds = {}
            for one, fold in zip(
                predictions.stimulus_id.values, predictions.fold.values, strict=True
            ):
                folds.setdefault((film[one], fold), set()).add(one)
            assert {len(images) for images in folds.values()} == {2}

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
        with pytest.raises(InputError, match=r"0\.9999.* \d+ sites"):
            self.score(floor=0.9999)
        with pytest.raises(InputError):
            self.score(trials=False, floor=0.1)
        everyone, floored = self.score(), self.score(floor=0.0)
        assert (floored.value, floored.ci, floored.excluded) == (everyone.value, everyone.ci, {})

    def test_a_model_without_the_region_does_not_apply(self):
        benchmark, model = self.case()
        lost = replace(model, areas={"V9": tuple(model.areas[benchmark.region])})
        with pytest.raises(NotApplicableError, match=f"--layers {benchmark.region}="):
            score_context(context_of(benchmark, lost))

    @pytest.mark.parametrize("protocol", ["paper", "brainscore"])
    def test_a_protocol_has_its_formula_or_does_not_apply(self, protocol):
        benchmark, _ = self.case()
        if protocol not in benchmark.measure.protocols:
            with pytest.raises(NotApplicableError, match=protocol):
                self.score(protocol=protocol)
            return
        score = self.score(protocol=protocol)
        assert (score.status, score.protocol) == ("scored", protocol)
        assert score.formula == f"{benchmark.measure.rules[protocol].formula}-v1"

    # --- odd samples ---------------------------------------------------------------------------------

    @pytest.mark.parametrize("oddity", ODD_FEATURES)
    def test_odd_features_have_a_value_or_the_true_reason(self, oddity):
        benchmark, model = self.case()
        odd = {
            layer: ODD_FEATURES[oddity](np.asarray(values, dtype=np.float64))
            for layer, values in model.responses.items()
        }
        score, reason = _outcome(context_of(benchmark, replace(model, responses=odd)))
        if score is None:
            assert re.search(ODD_REASONS[oddity], reason)
            return
        assert oddity in ("constant", "one unit", "equal units")
        if oddity == "constant" and score.value is not None:
            assert (score.value, score.ci) == (0.0, (0.0, 0.0))  # by definition: it is static

    @pytest.mark.parametrize("limit", [2, 10])
    @pytest.mark.parametrize("protocol", ["paper", "brainscore"])
    def test_the_number_of_images_that_is_enough_is_said_at_once(self, protocol, limit):
        benchmark, _ = self.case()
        if protocol not in benchmark.measure.protocols or not self.says_least_images:
            return
        score, reason = _outcome(context_of(*self.case(), protocol=protocol, limit=limit))
        if score is None:
            least = int(re.search(r"at least (\d+) images", reason)[1])
            assert f"{limit} images" in reason
            assert least > limit
            score = self.score(protocol=protocol, limit=least)
            assert score.n_stimuli == least
            assert score.ci is None or score.ci[0] < score.ci[1]

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
        measure = benchmark.measure
        config = measure.config()
        assert json.loads(json.dumps(config)) == config
        options = {one.name: one.default for one in fields(measure)}
        assert set(config) <= {"measure", *options}
        for name in {"measure", *options} - set(config):  # options that came later keep old keys
            assert options.get(name, MISSING) is not MISSING
            assert getattr(measure, name) == options[name]

    def test_a_failure_keeps_the_identity(self):
        benchmark, model = self.case()
        score = failure(
            benchmark, Settings(), model=model.name, weights="none", status="failed", reason="why"
        )
        assert (score.benchmark, score.value, score.reason) == (benchmark.identifier, None, "why")
