"""RSA and CKA of a model and a brain: recordings, published dissimilarities, layer selection, errors."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import xarray as xr
from known import Known, benchmark, brain, model_of
from scipy.spatial.distance import pdist, squareform
from scipy.stats import spearmanr

from brainbench.core.errors import InputError, NotApplicableError, UnknownNameError
from brainbench.core.model import check_model
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.data.arrays import ArrayData
from brainbench.metrics.similarity.cka import cka
from brainbench.metrics.similarity.rsa import noise_ceiling
from brainbench.scoring.context import ModelRun, Run, contexts
from brainbench.scoring.pipeline import score, score_context
from brainbench.scoring.similarity import evaluation
from brainbench.scoring.similarity.measure import Similarity
from brainbench.stats.ceiling import half_means, spearman_brown, split_half

N, SITES = 80, 30
NO_INTERVAL = Settings(resample="units")  # of a representation, which has no units
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
    """Data of which dissimilarities alone are published."""

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
    result = score(declared(data), model_of(data, X))
    a, b = pdist(X, "correlation"), pdist(trials.mean(axis=0), "correlation")
    assert result.value == pytest.approx(spearmanr(a, b).statistic, abs=1e-10)
    assert (result.n_units, result.n_stimuli, result.excluded) == (SITES, N, {})
    assert result.formula == "raw-v1"
    assert result.record.choices["comparison"] == "spearman"
    halves = []
    for one, other in zip(*half_means(trials[:, sorted_rows(data)]), strict=True):
        r = spearmanr(pdist(one, "correlation"), pdist(other, "correlation")).statistic
        halves.append(spearman_brown(r))
    assert result.ceiling == pytest.approx(np.mean(halves), abs=1e-10)


@CKAS
def test_cka_of_recordings(pictured, metric):
    X, trials = pictured
    data = brain(None, trials=trials)
    result = score(declared(data, metric=metric), model_of(data, X))
    expected = cka(X, trials.mean(axis=0), unbiased=metric == "cka")
    assert result.value == pytest.approx(expected, abs=1e-10)
    assert result.record.choices["hsic"] == ("unbiased" if metric == "cka" else "biased")
    assert result.value < result.ceiling < 1


def test_benchmarks_on_the_same_images_share_a_gram_matrix(pictured):
    X, trials = pictured
    data = brain(None, trials=trials)
    model_run = ModelRun(check_model(model_of(data, X), name="known"))
    benchmarks = [declared(data, metric=metric) for metric in ("cka", "cka-biased")]
    for context in contexts(benchmarks, Run(), model_run):
        assert score_context(context).value > 0.3
    assert model_run.grams.made == 1


@pytest.mark.parametrize(
    "options", [{"distance": "euclidean"}, {"comparison": "pearson"}, {"comparison": "kendall"}]
)
def test_options_change_the_figure_and_are_recorded(pictured, options):
    X, trials = pictured
    data = brain(None, trials=trials)
    plain = score(declared(data), model_of(data, X), NO_INTERVAL)
    other = score(declared(data, **options), model_of(data, X), NO_INTERVAL)
    assert abs(other.value - plain.value) > 1e-4
    (key,) = options
    assert other.record.choices[key] == options[key]


def test_brainscore_averages_over_ten_sets(pictured):
    X, trials = pictured
    data = brain(None, trials=trials)
    result = score(declared(data), model_of(data, X), Settings(protocol="brainscore", seed=3))
    whole = score(declared(data), model_of(data, X), NO_INTERVAL)
    assert result.record.choices["images_in_a_set"] == [72] * 10
    assert result.record.seeds == {"splits": 1, "bootstrap": 3}
    assert result.value == pytest.approx(whole.value, abs=0.05)
    assert 0 < result.error < 0.02
    assert whole.error is None


@pytest.mark.parametrize(
    ("options", "settings", "measured"),
    [
        ({"comparison": "pearson"}, {}, True),
        ({"metric": "cka"}, {}, True),
        ({"metric": "cka-biased"}, {}, True),
        ({"comparison": "kendall"}, {}, False),
        ({"distance": "euclidean"}, {}, False),
        ({}, {"formula": "r/sqrt(c)"}, False),
        ({}, {"protocol": "brainscore"}, False),
    ],
)
def test_an_interval_whose_coverage_was_not_measured_is_approximate(
    pictured, options, settings, measured
):
    X, trials = pictured
    data = brain(None, trials=trials)
    few = Settings(limit=40, **settings)  # the fewest images whose coverage was measured
    result = score(declared(data, **options), model_of(data, X), few)
    assert result.ci_approximate != measured
    assert ("identical pairs" in result.ci_method) == (options.get("metric") != "cka-biased")


def test_several_subjects_or_folds_are_approximate(pictured):
    X, trials = pictured
    rdm = pdist(X, "correlation")
    two = published({"IT": np.stack([rdm, rdm[::-1]])})
    assert score(declared(two), model_of(two, X)).ci_approximate
    data = brain(None, trials=trials)
    assert score(declared(data), layers(data, X)).ci_approximate


@ALL
def test_a_brain_of_shuffled_images_is_at_the_null(pictured, metric):
    X, trials = pictured
    data = brain(None, trials=trials)
    settings = Settings(null="images", null_draws=40)
    result = score(declared(data, metric=metric), model_of(data, X), settings)
    assert result.null["p"] == pytest.approx(1 / 41)
    shuffled = brain(None, trials=trials[:, np.random.default_rng(0).permutation(N)])
    nothing = score(declared(shuffled, metric=metric), model_of(data, X))
    assert abs(nothing.value - result.null["mean"]) < 4 * result.null["sd"]
    assert abs(result.null["mean"]) < (0.25 if metric == "cka-biased" else 0.02)


def test_null_within_objects_keeps_what_objects_have_in_common():
    rng = np.random.default_rng(0)
    common = np.repeat(3 * rng.standard_normal((8, 25)), 10, axis=0)
    data = brain(common + rng.standard_normal((N, 25)))
    model = model_of(data, common + rng.standard_normal((N, 25)))
    within, over_all = (
        score(declared(data), model, Settings(null=kind, null_draws=30))
        for kind in ("within-object", "images")
    )
    assert within.null["mean"] > 0.5 * within.value
    assert over_all.null["mean"] < 0.1
    few = score(declared(data), model, Settings(null="within-object", null_draws=9, limit=40))
    assert (
        few.null["mean"] > 0.4 * few.value
    )  # five images of each object are too few to stratify by


def test_floor_leaves_out_sites(pictured):
    X, trials = pictured
    trials = trials.copy()
    trials[:, :, :10] = np.random.default_rng(0).standard_normal((6, N, 10))
    data = brain(None, trials=trials)
    result = score(declared(data), model_of(data, X), Settings(floor=0.5))
    kept = split_half(trials[:, sorted_rows(data)]).mean(axis=0) >= 0.5
    assert not kept[:10].any()
    assert result.n_units == kept.sum() >= 15
    assert result.excluded == {"reliability below 0.5": (~kept).sum()}
    only = brain(None, trials=trials[:, :, kept])
    expected = score(declared(only), model_of(only, X)).value
    assert result.value == pytest.approx(expected, abs=1e-12)


def with_gaps(trials):
    """Data in which one image lacks all trials but one."""
    trials = trials.copy()
    trials[1:, 5] = np.nan
    data = brain(None, trials=np.nan_to_num(trials))
    assembly = data.regions["IT"].copy(data=trials).assign_attrs(missing="nan")
    return replace(data, regions={"IT": assembly})


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda trials: brain(trials[0]), "no repeated trials"),
        (with_gaps, "some image was not shown in a half of the trials"),
    ],
)
def test_why_there_is_no_ceiling(pictured, make, reason):
    X, trials = pictured
    data = make(trials)
    result = score(declared(data), model_of(data, X))
    assert result.ceiling is None
    assert result.record.choices["ceiling"] == f"none: {reason}"
    failed = score(declared(data), model_of(data, X), Settings(formula="r/c"))
    assert failed.status == "failed"
    assert failed.reason.endswith(reason)


# --- layer selection -------------------------------------------------------------------------------


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
def test_a_layer_is_selected_on_training_images_and_scored_on_others(pictured, metric):
    X, trials = pictured
    data = brain(None, trials=trials)
    result = score(declared(data, metric=metric), layers(data, X))
    assert result.selection.layer == "good"
    assert [row["chosen_in_folds"] for row in result.selection.curve] == [0, 5, 0]
    assert result.record.choices["images_in_a_set"] == [16] * 5
    alone = score(declared(data, metric=metric), model_of(data, X))
    tolerance = 0.15 if metric == "cka-biased" else 0.1  # the bias grows as images become few
    assert result.value == pytest.approx(alone.value, abs=tolerance)
    assert result.ci[0] < result.value < result.ci[1]


def test_selection_does_not_make_noise_look_like_a_brain(pictured):
    """Among twelve layers of noise the best fits by chance: on held-out pairs it does not."""
    X, _ = pictured
    data = brain(X)
    rng = np.random.default_rng(0)
    names = [f"noise{k}" for k in range(12)]
    model = Known(
        responses={name: rng.standard_normal((N, 4, 1)) for name in names},
        ids=data.pictures.ids,
        areas={"IT": names},
    )
    result = score(declared(data), model, replace(NO_INTERVAL, null="images", null_draws=20))
    best = max(row["inner_mean"] for row in result.selection.curve)
    assert best > 0.03
    assert result.value < best
    assert abs(result.null["mean"]) < 0.03


def test_a_step_of_a_nominal_clock_is_selected(pictured):
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
    assert score(declared(data), model).selection.step == 1
    with pytest.raises(InputError, match="2 steps of 'IT'"):  # random sets leave none to select by
        score(declared(data), model, Settings(protocol="brainscore"))


# --- published dissimilarities ----------------------------------------------------------------------


def test_one_published_rdm_has_no_ceiling(pictured):
    X, _ = pictured
    rdm = pdist(X, "euclidean")
    data = published({"IT": rdm[None]})
    result = score(declared(data), model_of(data, X))
    expected = spearmanr(rdm, pdist(X, "correlation")).statistic
    assert result.value == pytest.approx(expected, abs=1e-10)
    assert (result.ceiling, result.n_units, result.figures) == (None, 1, {})
    assert result.record.choices["ceiling"].startswith("none: one RDM")


def test_the_dissimilarities_are_kept_with_the_score(pictured, monkeypatch):
    X, trials = pictured
    data = brain(None, trials=trials)
    kept = score(declared(data), model_of(data, X)).predictions
    rows = sorted_rows(data)
    assert kept["stimulus_id"].values.tolist() == sorted(data.pictures.ids)
    for name, responses in {"predicted": X, "target": trials.mean(axis=0)}.items():
        expected = squareform(pdist(responses[rows], "correlation"))
        np.testing.assert_allclose(kept[name].values, expected, atol=1e-6)
    assert score(declared(data, metric="cka"), model_of(data, X)).predictions is None
    monkeypatch.setattr(evaluation, "MOST_IN_RDM", N - 1)
    assert score(declared(data), model_of(data, X)).predictions is None


def test_subjects_give_a_noise_ceiling(pictured):
    X, _ = pictured
    rng = np.random.default_rng(0)
    truth = pdist(X, "correlation")
    subjects = truth + 0.3 * rng.standard_normal((5, len(truth)))
    data = published({"IT": subjects})
    result = score(declared(data), model_of(data, X), NO_INTERVAL)
    each = [spearmanr(truth, one).statistic for one in subjects]
    assert result.value == pytest.approx(np.mean(each), abs=1e-10)
    bounds = noise_ceiling(subjects)
    assert result.figures["noise_ceiling"] == pytest.approx(
        {"lower": bounds.lower, "upper": bounds.upper}, abs=1e-10
    )
    assert result.ceiling == pytest.approx(bounds.lower, abs=1e-10)
    assert "Nili" in result.record.choices["ceiling"]
    related = score(declared(data), model_of(data, X), replace(NO_INTERVAL, formula="r/c"))
    assert related.value == pytest.approx(result.raw / result.ceiling, abs=1e-12)
    assert related.value > 1  # the true model does better than the others' mean


@pytest.mark.parametrize(
    ("n_subjects", "formula"),
    [(1, "r/c"), (1, "r2/c"), (1, "r/sqrt(c)"), (2, "r2/c"), (2, "(r/c)^2"), (2, "r/sqrt(c)")],
)
def test_formulas_that_published_rdms_have_no_ceiling_for(pictured, n_subjects, formula):
    X, _ = pictured
    rdm = pdist(X, "euclidean")
    data = published({"IT": np.stack([rdm, rdm[::-1]])[:n_subjects]})
    model = model_of(data, X)
    for declaration, settings in (
        (declared(data), Settings(formula=formula)),
        (declared(data, formula=formula), Settings()),
    ):
        with pytest.raises(NotApplicableError) as caught:
            score(declaration, model, settings)
        assert f"{formula!r} for Known.IT-pls" in caught.value.got
        assert ("r/c" in caught.value.allowed) == (n_subjects > 1)


def test_further_regions_are_beside(pictured):
    X, _ = pictured
    rng = np.random.default_rng(0)
    truth = pdist(X, "correlation")
    others = truth + 0.3 * rng.standard_normal((3, len(truth)))
    data = published({"IT": truth[None], "judgements": others, "one": others[:1]})
    result = score(declared(data, beside=("judgements", "one")), model_of(data, X))
    beside = result.figures["judgements"]
    assert beside["model"] == pytest.approx(
        np.mean([spearmanr(truth, one).statistic for one in others]), abs=1e-10
    )
    mean = spearmanr(others.mean(axis=0), truth).statistic
    assert beside["mean_to_IT"] == pytest.approx(mean, abs=1e-10)
    assert beside["subjects"] == 3
    assert set(beside["noise_ceiling"]) == {"lower", "upper"}
    assert "noise_ceiling" not in result.figures["one"]


def test_the_order_of_the_stimuli_does_not_matter(pictured):
    X, _ = pictured
    data = published({"IT": pdist(X, "euclidean")[None]})
    assert list(data.pictures.ids) != sorted(data.pictures.ids)
    for settings in (Settings(), Settings(limit=30)):
        result = score(declared(data, distance="euclidean"), model_of(data, X), settings)
        assert result.value == pytest.approx(1.0)


def test_a_floor_is_not_used_for_published_dissimilarities(pictured):
    X, _ = pictured
    data = published({"IT": pdist(X)[None]})
    floored = score(declared(data), model_of(data, X), Settings(floor=0.3))
    plain = score(declared(data), model_of(data, X))
    assert (floored.value, floored.ci, floored.ci_approximate) == (
        plain.value,
        plain.ci,
        plain.ci_approximate,
    )
    (note,) = set(floored.record.notes) - set(plain.record.notes)
    assert "floor" in note


# --- errors ---------------------------------------------------------------------------------------


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="'rdm'"):
        Similarity(metric="rdm")
    with pytest.raises(UnknownNameError, match="did you mean euclidean"):
        Similarity(distance="euclidian")
    with pytest.raises(UnknownNameError, match="did you mean spearman"):
        Similarity(comparison="spearmann")


@CKAS
def test_cka_needs_responses(pictured, metric):
    X, _ = pictured
    data = published({"IT": pdist(X)[None]})
    with pytest.raises(InputError, match=f"{metric} with Published IT"):
        score(declared(data, metric=metric), model_of(data, X))
    with pytest.raises(InputError, match=f"{metric} .* human IT"):
        Similarity(metric=metric, beside=("human IT",))


def test_regions_beside_recordings(pictured):
    X, _ = pictured
    data = brain(X)
    with pytest.raises(InputError, match="human IT"):
        score(declared(data, beside=("human IT",)), model_of(data, X))


def test_a_layer_or_a_brain_without_patterns(pictured):
    X, trials = pictured
    data = brain(None, trials=trials)
    silent = X.copy()
    silent[3] = 0.0
    row = int(np.flatnonzero(sorted_rows(data) == 3)[0])
    with pytest.raises(InputError, match=f"layer 'IT': .* row {row} "):
        score(declared(data), model_of(data, silent))
    quiet = brain(silent)
    with pytest.raises(InputError, match=r"recordings of Known\.IT-pls: .* row"):
        score(declared(quiet), model_of(quiet, X))
    for metric in ("cka", "cka-biased"):
        with pytest.raises(InputError, match=r"'IT' .* 80 stimuli"):
            score(declared(data, metric=metric), model_of(data, np.full_like(X, 2.0)))
    with pytest.raises(InputError, match=r"Known\.IT-pls: .* 1 of 1 sets"):
        score(declared(data, distance="euclidean"), model_of(data, np.full_like(X, 2.0)))


@pytest.mark.parametrize(
    ("metric", "limit", "match"),
    [("rsa", 3, r"3 images.*rsa\n.*at least 4 images"), ("cka", 4, r"4 images.*cka\n.*at least 5")],
)
def test_too_few_images(pictured, metric, limit, match):
    X, trials = pictured
    data = brain(None, trials=trials)
    with pytest.raises(InputError, match=match):
        score(declared(data, metric=metric), model_of(data, X), Settings(limit=limit))
    least = 15 if metric == "rsa" else 20
    with pytest.raises(InputError, match=rf"5 splits.* 2.*\n.*at least {least} images"):
        score(declared(data, metric=metric), layers(data, X), Settings(limit=12))


@pytest.mark.parametrize(
    ("rdms", "match"),
    [
        (np.ones((1, 10)), r"\(1, 10\) for 80 stimuli.*\n.*3160 pairs"),
        (np.full((2, 3160), np.nan), "6320"),
        (np.ones((2, 3160)), "subject 0"),
    ],
)
def test_published_rdms_that_cannot_be_used(pictured, rdms, match):
    X, _ = pictured
    data = published({"IT": rdms})
    with pytest.raises(InputError, match=match):
        score(declared(data), model_of(data, X))


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

    with pytest.raises(InputError, match=r"2 .* Known.IT-pls: a, b"):
        score(declared(Two()), model_of(brain(X), X))
