"""The road from representations of a model and a brain to a Score."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import xarray as xr
from known import Known, benchmark, brain, model_of
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

from brainbench.core.errors import InputError, NotApplicableError, UnknownNameError
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.data.arrays import ArrayData
from brainbench.metrics.correlation import pearson
from brainbench.metrics.similarity.cka import cka
from brainbench.metrics.similarity.rsa import compare_draws, noise_ceiling
from brainbench.run.execute import ModelSpec, execute
from brainbench.scoring.similarity.measure import Similarity
from brainbench.stats.bootstrap import image_counts
from brainbench.stats.ceiling import half_means, spearman_brown, split_half

N, SITES = 80, 30
CKAS = pytest.mark.parametrize("metric", ["cka", "cka-biased"])
ALL = pytest.mark.parametrize("metric", ["rsa", "cka", "cka-biased"])


@pytest.fixture
def pictured():
    """Features, and trials of sites that are mixtures of them."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, 25)) * np.geomspace(3, 0.3, 25)
    signal = X @ rng.standard_normal((25, SITES))
    return X, signal + 8.0 * rng.standard_normal((6, N, SITES))


@dataclass(frozen=True, kw_only=True, eq=False)
class Published(ArrayData):
    """Data of which dissimilarities alone are there."""

    rdms: dict[str, np.ndarray]

    def dissimilarities(self, region):
        return xr.DataArray(self.rdms[region], dims=("subject", "pair"))


def published(rdms, n=N):
    """RDMs in the order of the stimuli as given, which is not that of their ids."""
    return Published(
        name="Published", pictures=brain(np.zeros((n, 2))).pictures, regions={}, rdms=rdms
    )


def declared(data, **options):
    return replace(benchmark(data), measure=Similarity(**options))


def sorted_rows(data):
    return np.argsort(data.pictures.ids)


# --- recordings ------------------------------------------------------------------------------------


def test_rsa_equals_a_slow_program_of_scipy(pictured):
    X, trials = pictured
    data = brain(None, trials=trials)
    score = declared(data).score(model_of(data, X))
    a, b = pdist(X, "correlation"), pdist(trials.mean(axis=0), "correlation")
    assert score.value == pytest.approx(spearmanr(a, b).statistic, abs=1e-10)
    assert (score.n_units, score.n_stimuli) == (SITES, N)
    assert score.formula == "raw-v1"
    assert score.record.choices["comparison"] == "spearman"
    rows = sorted_rows(data)
    halves = []
    for one, other in zip(*half_means(trials[:, rows]), strict=True):
        r = spearmanr(pdist(one, "correlation"), pdist(other, "correlation")).statistic
        halves.append(spearman_brown(r))
    assert score.ceiling == pytest.approx(np.mean(halves), abs=1e-10)


@CKAS
def test_cka_of_recordings(pictured, metric):
    X, trials = pictured
    data = brain(None, trials=trials)
    score = declared(data, metric=metric).score(model_of(data, X))
    expected = cka(X, trials.mean(axis=0), unbiased=metric == "cka")
    assert score.value == pytest.approx(expected, abs=1e-10)
    assert score.record.choices["hsic"] == ("unbiased" if metric == "cka" else "biased")
    assert score.value < score.ceiling < 1


@pytest.mark.parametrize(
    "options", [{"distance": "euclidean"}, {"comparison": "pearson"}, {"comparison": "kendall"}]
)
def test_options_change_the_figure_and_are_recorded(pictured, options):
    X, trials = pictured
    data = brain(None, trials=trials)
    plain = declared(data).score(model_of(data, X))
    other = declared(data, **options).score(model_of(data, X))
    assert abs(other.value - plain.value) > 1e-4
    (key,) = options
    assert other.record.choices[key] == options[key]


def test_brainscore_averages_over_ten_sets(pictured):
    X, trials = pictured
    data = brain(None, trials=trials)
    score = declared(data).score(model_of(data, X), Settings(protocol="brainscore"))
    whole = declared(data).score(model_of(data, X))
    assert score.record.choices["images_in_a_set"] == [72] * 10
    assert score.value == pytest.approx(whole.value, abs=0.05)
    assert 0 < score.error < 0.02
    assert score.ci[0] < score.value < score.ci[1]


@ALL
@pytest.mark.parametrize(("formula", "power"), [("r/c", 1.0), ("r/sqrt(c)", 0.5)])
def test_formula_and_its_ceiling_in_each_draw(pictured, metric, formula, power):
    X, trials = pictured
    data = brain(None, trials=trials)
    raw = declared(data, metric=metric).score(model_of(data, X))
    score = declared(data, metric=metric).score(model_of(data, X), Settings(formula=formula))
    assert score.value == pytest.approx(raw.raw / raw.ceiling**power, abs=1e-12)
    assert score.formula == f"{formula}-v1"
    fixed = raw.draws / raw.ceiling**power
    assert not np.allclose(score.draws, fixed)
    assert np.median(score.draws) == pytest.approx(score.value, abs=1e-12)
    assert np.corrcoef(score.draws, fixed)[0, 1] > 0.5


def test_draws_are_those_of_the_shared_images(pictured):
    X, trials = pictured
    data = brain(None, trials=trials)
    score = declared(data).score(model_of(data, X), Settings(seed=4))
    rows = sorted_rows(data)
    counts = image_counts(sorted(data.pictures.ids), seed=4)
    a, b = pdist(X[rows], "correlation"), pdist(trials.mean(axis=0)[rows], "correlation")
    drawn = compare_draws(a, b, counts)
    centered = drawn + score.value - np.median(drawn)
    np.testing.assert_allclose(score.draws, centered, atol=1e-9)
    assert score.ci == pytest.approx(np.quantile(centered, [0.025, 0.975]), abs=1e-9)
    method = "identical pairs dropped, 1000 draws, seed 4, centered on the value"
    assert score.ci_method.endswith(method)  # its coverage is measured


@pytest.mark.parametrize(
    ("options", "settings", "known"),
    [
        ({"comparison": "pearson"}, {}, True),
        ({"metric": "cka"}, {}, True),
        ({"metric": "cka-biased"}, {}, True),
        ({"comparison": "kendall"}, {}, False),
        ({"distance": "euclidean"}, {}, False),
        ({}, {"formula": "r/sqrt(c)"}, False),
        ({}, {"floor": 0.3}, False),
        ({}, {"protocol": "brainscore"}, False),
    ],
)
def test_an_interval_whose_coverage_was_not_measured_is_approximate(
    pictured, options, settings, known
):
    X, trials = pictured
    data = brain(None, trials=trials)
    score = declared(data, **options).score(model_of(data, X), Settings(**settings))
    assert score.ci_method.endswith("approximate") != known


def test_several_subjects_or_folds_are_approximate(pictured):
    X, trials = pictured
    rdm = pdist(X, "correlation")
    two = published({"IT": np.stack([rdm, rdm[::-1]])})
    assert declared(two).score(model_of(two, X)).ci_approximate
    data = brain(None, trials=trials)
    assert declared(data).score(layers(data, X)).ci_approximate


@ALL
def test_shuffled_images_and_the_null(pictured, metric):
    X, trials = pictured
    data = brain(None, trials=trials)
    score = declared(data, metric=metric).score(
        model_of(data, X), Settings(null="images", null_draws=40)
    )
    assert score.null["p"] == pytest.approx(1 / 41)
    shuffled = brain(None, trials=trials[:, np.random.default_rng(0).permutation(N)])
    nothing = declared(shuffled, metric=metric).score(model_of(data, X))
    assert abs(nothing.value - score.null["mean"]) < 4 * score.null["sd"]
    assert abs(score.null["mean"]) < (0.25 if metric == "cka-biased" else 0.02)


def test_null_within_objects_keeps_what_objects_have_in_common():
    rng = np.random.default_rng(0)
    common = np.repeat(3 * rng.standard_normal((8, 25)), 10, axis=0)
    data = brain(common + rng.standard_normal((N, 25)))
    model = model_of(data, common + rng.standard_normal((N, 25)))
    score = declared(data).score(model, Settings(null="within-object", null_draws=30))
    assert score.null["mean"] > 0.5 * score.value
    assert declared(data).score(model, Settings(null="images", null_draws=30)).null["mean"] < 0.1


def test_floor_leaves_out_sites(pictured):
    X, trials = pictured
    trials = trials.copy()
    trials[:, :, :10] = np.random.default_rng(0).standard_normal((6, N, 10))
    data = brain(None, trials=trials)
    score = declared(data).score(model_of(data, X), Settings(floor=0.5))
    kept = split_half(trials[:, sorted_rows(data)], correlate=pearson).per_neuroid >= 0.5
    assert not kept[:10].any()
    assert score.n_units == kept.sum() >= 15
    assert score.excluded == {"reliability below 0.5": (~kept).sum()}
    only = brain(None, trials=trials[:, :, kept])
    assert score.value == pytest.approx(declared(only).score(model_of(only, X)).value, abs=1e-12)


def test_without_trials_there_is_no_ceiling(pictured):
    X, trials = pictured
    data = brain(trials[0])
    score = declared(data).score(model_of(data, X))
    assert score.ceiling is None
    assert score.record.choices["ceiling"] == "none: no repeated trials"
    failed = declared(data).score(model_of(data, X), Settings(formula="r/c"))
    assert failed.value is None
    assert failed.reason == "no ceiling: r/c needs repeated trials or several subjects"


def test_a_missing_trial_in_a_half_means_no_ceiling(pictured):
    X, trials = pictured
    trials = trials.copy()
    trials[1:, 5] = np.nan
    recorded = brain(trials[0])  # an assembly says so where trials are missing
    data = brain(None, trials=np.nan_to_num(trials))
    assembly = data.regions["IT"].copy(data=trials).assign_attrs(missing="nan")
    data = replace(data, regions={"IT": assembly})
    score = declared(data).score(model_of(recorded, X))
    assert score.ceiling is None
    assert "some image was not shown in a half" in score.record.choices["ceiling"]


def test_limit_marks_the_score_as_partial(pictured):
    X, trials = pictured
    data = brain(None, trials=trials)
    score = declared(data).score(model_of(data, X), Settings(limit=40))
    assert (score.partial, score.n_stimuli) == (True, 40)


# --- choice of a layer -----------------------------------------------------------------------------


def layers(data, X):
    noise = np.random.default_rng(9).standard_normal(X.shape)
    return Known(
        responses={
            "noise": noise[:, :, None],
            "good": X[:, :, None],
            "flat": noise[:, :, None] ** 2,
        },
        ids=data.pictures.ids,
        areas={"IT": ["noise", "good", "flat"]},
    )


@ALL
def test_layer_is_chosen_among_training_images_and_judged_on_others(pictured, metric):
    X, trials = pictured
    data = brain(None, trials=trials)
    score = declared(data, metric=metric).score(layers(data, X))
    assert score.record.layer == "good"
    assert [row["chosen_in_folds"] for row in score.record.curve] == [0, 5, 0]
    assert score.record.choices["images_in_a_set"] == [16] * 5
    alone = declared(data, metric=metric).score(model_of(data, X))
    tolerance = 0.15 if metric == "cka-biased" else 0.1  # the bias grows as images become few
    assert score.value == pytest.approx(alone.value, abs=tolerance)
    assert score.ci[0] < score.value < score.ci[1]


def test_choosing_does_not_make_noise_look_like_a_brain(pictured):
    """Among thirty layers of noise the best fits by chance: on held-out pairs it does not."""
    X, _ = pictured
    data = brain(X)
    rng = np.random.default_rng(0)
    names = [f"noise{k}" for k in range(30)]
    model = Known(
        responses={name: rng.standard_normal((N, 4, 1)) for name in names},
        ids=data.pictures.ids,
        areas={"IT": names},
    )
    score = declared(data).score(model, Settings(null="images", null_draws=20))
    best = max(row["inner_mean"] for row in score.record.curve)
    assert best > 0.03
    assert score.value < best
    assert abs(score.null["mean"]) < 0.03


def test_step_of_a_nominal_clock_is_chosen(pictured):
    X, trials = pictured
    data = brain(None, trials=trials)
    noise = np.random.default_rng(9).standard_normal(X.shape)
    clock = Timeline(name="two", source="test", steps={"IT": [(0, 150), (150, 300)]}, nominal=True)
    model = Known(
        responses={"IT": np.stack([noise, X], axis=2)},
        ids=data.pictures.ids,
        areas={"IT": ["IT"]},
        clocks={"paper": clock},
        static=False,
    )
    assert declared(data).score(model).record.step == 1


# --- published dissimilarities ----------------------------------------------------------------------


def test_one_published_rdm_has_no_ceiling(pictured):
    X, _ = pictured
    rdm = pdist(X, "euclidean")
    data = published({"IT": rdm[None]})
    score = declared(data).score(model_of(data, X))
    assert score.value == pytest.approx(
        spearmanr(rdm, pdist(X, "correlation")).statistic, abs=1e-10
    )
    assert (score.ceiling, score.n_units, score.figures) == (None, 1, {})
    assert score.record.choices["ceiling"].startswith("none: one RDM")


def test_subjects_give_a_noise_ceiling(pictured):
    X, _ = pictured
    rng = np.random.default_rng(0)
    truth = pdist(X, "correlation")
    subjects = truth + 0.3 * rng.standard_normal((5, len(truth)))
    data = published({"IT": subjects})
    score = declared(data).score(model_of(data, X))
    each = [spearmanr(truth, one).statistic for one in subjects]
    assert score.value == pytest.approx(np.mean(each), abs=1e-10)
    bounds = noise_ceiling(subjects)
    assert score.figures["noise_ceiling"] == pytest.approx(
        {"lower": bounds.lower, "upper": bounds.upper}, abs=1e-10
    )
    assert score.ceiling == pytest.approx(bounds.lower, abs=1e-10)
    assert "Nili" in score.record.choices["ceiling"]
    related = declared(data).score(model_of(data, X), Settings(formula="r/c"))
    assert related.value == pytest.approx(score.raw / score.ceiling, abs=1e-12)
    assert related.value > 1  # the true model does better than the others' mean
    for formula in ("r/sqrt(c)", "r2/c"):
        with pytest.raises(NotApplicableError, match=r"raw or r/c: the noise ceiling .* no reliab"):
            declared(data).needs(model_of(data, X), Settings(formula=formula))


@pytest.mark.parametrize("formula", ["r/c", "r2/c", "r/sqrt(c)"])
def test_a_formula_does_not_apply_to_one_published_rdm(pictured, formula):
    X, _ = pictured
    data = published({"IT": pdist(X, "euclidean")[None]})
    model, settings = model_of(data, X), Settings(formula=formula)
    for ask in (declared(data).needs, declared(data).score):
        with pytest.raises(NotApplicableError) as caught:
            ask(model, settings)
        assert (
            caught.value.got
            == f"formula {formula!r} for Known.IT-pls, of published dissimilarities"
        )
        assert (
            caught.value.allowed
            == "raw: one RDM, without trials or further subjects, has no ceiling"
        )
        assert caught.value.todo == "choose --formula from these, or leave it out"
    with pytest.raises(NotApplicableError):
        declared(data, formula=formula).needs(model, Settings())
    assert declared(data).needs(model, Settings(formula="raw")).layers == ("IT",)


def test_what_is_not_applicable_is_none_in_a_run_and_fails_nothing(pictured):
    X, trials = pictured
    known = brain(None, trials=trials)
    data = published({"IT": pdist(X, "euclidean")[None]})
    both = [declared(data), declared(known)]
    spec = ModelSpec(name="known", make=lambda: model_of(known, X))
    none, some = execute(
        [spec],
        both,
        Settings(formula="r/sqrt(c)"),
        find=lambda *_: None,
        sink=lambda score, _: score,
        overwrite="always",
    )
    assert none.inapplicable
    assert none.value is None
    assert not none.failed
    assert some.value > 0.5


def test_further_regions_are_beside(pictured):
    X, _ = pictured
    rng = np.random.default_rng(0)
    truth = pdist(X, "correlation")
    others = truth + 0.3 * rng.standard_normal((3, len(truth)))
    data = published({"IT": truth[None], "judgements": others, "one": others[:1]})
    score = declared(data, beside=("judgements", "one")).score(model_of(data, X))
    beside = score.figures["judgements"]
    assert beside["model"] == pytest.approx(
        np.mean([spearmanr(truth, one).statistic for one in others]), abs=1e-10
    )
    mean = spearmanr(others.mean(axis=0), truth).statistic
    assert beside["mean_to_IT"] == pytest.approx(mean, abs=1e-10)
    assert beside["subjects"] == 3
    assert set(beside["noise_ceiling"]) == {"lower", "upper"}
    assert "noise_ceiling" not in score.figures["one"]


def test_order_of_the_stimuli_does_not_matter(pictured):
    X, _ = pictured
    data = published({"IT": pdist(X, "euclidean")[None]})
    assert list(data.pictures.ids) != sorted(data.pictures.ids)
    score = declared(data, distance="euclidean").score(model_of(data, X))
    assert score.value == pytest.approx(1.0)
    assert declared(data, distance="euclidean").score(
        model_of(data, X), Settings(limit=30)
    ).value == pytest.approx(1.0)


# --- errors ---------------------------------------------------------------------------------------


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="similarity 'rdm'"):
        Similarity(metric="rdm")
    with pytest.raises(UnknownNameError, match="did you mean euclidean"):
        Similarity(distance="euclidian")
    with pytest.raises(UnknownNameError, match="did you mean spearman"):
        Similarity(comparison="spearmann")


@CKAS
def test_cka_needs_responses(pictured, metric):
    X, _ = pictured
    data = published({"IT": pdist(X)[None]})
    with pytest.raises(InputError, match="dissimilarities alone are published"):
        declared(data, metric=metric).score(model_of(data, X))
    with pytest.raises(InputError, match="with the regions IT beside"):
        declared(brain(X), metric=metric, beside=("IT",)).score(model_of(data, X))


@ALL
def test_units_alone_are_never_random(pictured, metric):
    X, trials = pictured
    data = brain(None, trials=trials)
    plain = declared(data, metric=metric).score(model_of(data, X))
    settings = Settings(resample="units", null="images", null_draws=9)
    score = declared(data, metric=metric).score(model_of(data, X), settings)
    assert score.value == plain.value
    assert (score.ci, score.ci_method, score.draws) == (None, None, None)
    assert score.null["n_draws"] == 9
    why = "no interval: sites go into a representation together, none is drawn again alone"
    assert score.record.notes == [*plain.record.notes, why]


def test_a_floor_is_not_used_of_published_dissimilarities(pictured):
    X, _ = pictured
    data = published({"IT": pdist(X)[None]})
    score = declared(data).score(model_of(data, X), Settings(floor=0.3))
    plain = declared(data).score(model_of(data, X))
    assert (score.value, score.ci, score.ci_method) == (plain.value, plain.ci, plain.ci_method)
    why = "floor not used: of published dissimilarities no site has a reliability"
    assert score.record.notes == [*plain.record.notes, why]


def test_floor_without_trials(pictured):
    X, trials = pictured
    data = brain(trials[0])
    with pytest.raises(InputError, match=r"a floor of 0\.3"):
        declared(data).score(model_of(data, X), Settings(floor=0.3))
    data = brain(None, trials=np.random.default_rng(0).standard_normal((6, N, 3)))
    with pytest.raises(InputError, match="none of 3 sites"):
        declared(data).score(model_of(data, X), Settings(floor=0.9))


def test_a_layer_or_a_brain_without_patterns(pictured):
    X, trials = pictured
    data = brain(None, trials=trials)
    silent = X.copy()
    silent[3] = 0.0
    row = int(np.flatnonzero(sorted_rows(data) == 3)[0])
    with pytest.raises(InputError, match=f"layer 'IT': the same response .* in row {row} "):
        declared(data).score(model_of(data, silent))
    quiet = brain(silent)
    with pytest.raises(InputError, match=r"recordings of Known\.IT-pls: the same response"):
        declared(quiet).score(model_of(quiet, X))
    for metric in ("cka", "cka-biased"):
        with pytest.raises(InputError, match="a representation that does not vary"):
            declared(data, metric=metric).score(model_of(data, np.full_like(X, 2.0)))


def test_too_few_images(pictured):
    X, trials = pictured
    data = brain(None, trials=trials)
    with pytest.raises(InputError, match="2 images"):
        declared(data).score(model_of(data, X), Settings(limit=2))
    with pytest.raises(InputError, match=r"3 images.*\n.*at least 4 for cka"):
        declared(data, metric="cka").score(model_of(data, X), Settings(limit=3))
    with pytest.raises(InputError, match="the smallest of 5 folds: 2 images"):
        declared(data).score(layers(data, X), Settings(limit=12))


def test_noise_has_no_positive_ceiling(pictured):
    X, _ = pictured
    rng = np.random.default_rng(2)
    drawn = (rng.standard_normal((2, N, SITES)) for _ in range(50))
    unlike = next(
        trials
        for trials in drawn
        if spearmanr(*(pdist(one, "correlation") for one in trials)).statistic < -0.02
    )
    data = brain(None, trials=unlike)
    score = declared(data).score(model_of(data, X), Settings(formula="r/c"))
    assert score.ceiling < 0
    assert score.value is None
    assert "is not positive: nothing reliable was measured" in score.reason
    assert declared(data).score(model_of(data, X)).value is not None


@pytest.mark.parametrize(
    ("rdms", "message"),
    [
        (np.ones((1, 10)), r"\(subject, pair\) with 3160 pairs"),
        (np.full((2, 3160), np.nan), "6320 are not finite"),
        (np.ones((2, 3160)), "dissimilarities of subject 0 are all equal"),
    ],
)
def test_published_rdms_that_cannot_be_used(pictured, rdms, message):
    X, _ = pictured
    data = published({"IT": rdms})
    with pytest.raises(InputError, match=message):
        declared(data).score(model_of(data, X))
    assert declared(published({"IT": pdist(X)[None]})).score(model_of(data, X)).value


def test_several_sessions(pictured):
    X, _ = pictured

    class Two:
        name, simulated, version, command = "Two", False, "1", ""

        def absent(self):
            return None

        def stimuli(self):
            return brain(X).pictures

        def recordings(self, region):
            raise AssertionError

        def sessions(self):
            return {"a": brain(X), "b": brain(X)}

    data = Two()
    with pytest.raises(InputError, match=r"2 recording sessions of Known.IT-pls: a, b"):
        declared(data).score(model_of(brain(X), X))


def test_beside_needs_published_dissimilarities(pictured):
    X, _ = pictured
    data = brain(X)
    with pytest.raises(InputError, match="human IT beside IT"):
        declared(data, beside=("human IT",)).score(model_of(data, X))
