"""The road from recordings and activations over time to a Score of neural dynamics."""

import re
from dataclasses import replace

import numpy as np
import pytest
from known import Known, brain
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge
from sklearn.model_selection import StratifiedKFold

from brainbench.core.assembly import make
from brainbench.core.benchmark import Benchmark
from brainbench.core.effort import Sizes
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.presentation import Presentation
from brainbench.core.settings import Settings
from brainbench.core.timeline import STATIC, Timeline, square_wave
from brainbench.data.arrays import ArrayData
from brainbench.metrics.correlation import spearman
from brainbench.metrics.temporal.shared_map import PENALTIES
from brainbench.scoring import layer_states as states_module
from brainbench.scoring.dynamics.evaluation import Held
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench.scoring.dynamics.target import Responses
from brainbench.stats.ceiling import split_half
from brainbench.stats.splits import Split, inner

N, SITES, P, BINS = 80, 6, 8, 6
TIME = [(10.0 * k, 10.0 * (k + 1)) for k in range(BINS)]
CLOCK = Timeline(name="steps", source="test", steps={"IT": TIME, "other": TIME})


def benchmark(data, *, window=(0, 60), **options):
    return Benchmark(
        identifier="Known.IT-dynamics",
        version=1,
        data=data,
        region="IT",
        window=window,
        presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
        measure=Dynamics(**{"n_splits": 4, **options}),
        metric="r",
        ceiling="split-half",
        citation="nobody",
    )


def model_of(data, X, *, clock=CLOCK, **more):
    options = {"areas": {"IT": ["IT"]}, "static": X.shape[2] == 1, **more}
    return Known(
        responses={"IT": X, **more.pop("others", {})},
        ids=data.pictures.ids,
        clocks={clock.name: clock},
        **{key: value for key, value in options.items() if key != "others"},
    )


@pytest.fixture(scope="module")
def moving():
    """Features that move, sites linear in them by one map for all bins, and trials."""
    rng = np.random.default_rng(3)
    X = rng.standard_normal((N, P, BINS)).cumsum(axis=2)
    signal = np.einsum("ipt,pq->iqt", X, rng.standard_normal((P, SITES))) + 20.0
    trials = signal + 4.0 * rng.standard_normal((10, *signal.shape))
    return X, signal, trials


@pytest.fixture(scope="module")
def data(moving):
    return brain(None, trials=moving[2], time=TIME)


@pytest.fixture(scope="module")
def score(data, moving):
    return benchmark(data).score(model_of(data, moving[0]))


def slow(data, X, trials, seed):
    """R of every site and bin of the same definition, by loops over scikit-learn: site x bin."""
    order = np.argsort(data.pictures.ids)
    ids = np.array(data.pictures.ids)[order]
    X, trials = X[order], trials[:, order]
    Y = trials.mean(axis=0)
    objects = data.pictures.metadata["object_name"].to_numpy()[order]
    quarters = StratifiedKFold(4, shuffle=True, random_state=seed).split(X, objects)
    r = []

    def rows(A, images):
        return A[images].transpose(0, 2, 1).reshape(-1, A.shape[1])

    def ridge_of(images, share):
        A = rows(X, images)
        total = np.square(A - A.mean(axis=0)).sum()
        return Ridge(share * total, solver="svd").fit(A, rows(Y, images))

    for train, test in quarters:
        folds = inner(train, ids, objects, n_splits=5, seed=seed)
        losses = np.zeros((len(PENALTIES), SITES))
        for fit_on, left in folds:
            for k, share in enumerate(PENALTIES):
                found = ridge_of(fit_on, share)
                losses[k] += np.square(found.predict(rows(X, left)) - rows(Y, left)).sum(axis=0)
        per_site = []
        for site, best in enumerate(losses.argmin(axis=0)):
            found = ridge_of(train, PENALTIES[best])
            predicted = found.predict(rows(X, test))[:, site].reshape(len(test), BINS)
            per_site.append(
                [np.corrcoef(predicted[:, t], Y[test, site, t])[0, 1] for t in range(BINS)]
            )
        r.append(per_site)
    return np.mean(r, axis=0)


def test_equals_a_slow_program_of_scikit_learn(data, moving):
    X, _, trials = moving
    ours = benchmark(data).score(model_of(data, X), Settings(seed=5))
    theirs = slow(data, X, trials, seed=5)
    np.testing.assert_allclose(ours.figures["r"], np.median(theirs, axis=0), atol=1e-7)
    used = np.array(ours.figures["bins_used"])
    np.testing.assert_allclose(ours.per_unit.values, theirs[:, used].mean(axis=1), atol=1e-7)


def test_the_value_is_what_the_curves_say(score):
    r, c, used = (np.array(score.figures[key]) for key in ("r", "c", "bins_used"))
    assert used.tolist() == (c >= 0.3).tolist()
    assert used.any()
    assert score.value == pytest.approx(np.mean(r[used] / np.sqrt(c[used])), abs=1e-12)
    assert score.raw == pytest.approx(r[used].mean())
    assert score.ceiling == pytest.approx(c[used].mean())
    assert score.formula == "r/sqrt(c)-v1"


def test_ceiling_by_hand(data, moving, score):
    from sklearn.model_selection import ShuffleSplit

    _, _, trials = moving
    c = []
    for one, other in ShuffleSplit(10, train_size=0.5, random_state=1).split(trials):
        half = trials[one].mean(axis=0), trials[other].mean(axis=0)
        r = [
            [spearmanr(half[0][:, k, t], half[1][:, k, t]).statistic for t in range(BINS)]
            for k in range(SITES)
        ]
        c.append(2 * np.array(r) / (1 + np.array(r)))
    np.testing.assert_allclose(score.figures["c"], np.median(np.mean(c, axis=0), axis=0), atol=1e-9)


def held(trials):
    """What is held out, of predictions that do not matter: repetition x stimulus x neuroid x bin."""
    Y = np.nanmean(trials, axis=0)
    shown = brain(None, trials=np.nan_to_num(trials), time=TIME[: trials.shape[3]])
    responses = Responses(
        stimuli=shown.pictures,
        bins=tuple(TIME[: trials.shape[3]]),
        values=Y,
        trials=trials,
        strata=None,
        neuroids=shown.regions["IT"].coords["neuroid_id"],
        partial=False,
        normalized="nothing",
    )
    fold = Split(train=np.arange(0), test=np.arange(len(Y)))
    return Held(brain=responses, varying=np.full(Y.shape[1], True), folds=[fold], predicted=[Y])


def test_each_time_bin_has_the_reliability_of_its_own_trials():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((60, 7, 3)) * [0.0, 1.0, 3.0]
    trials = signal + rng.standard_normal((8, 60, 7, 3))
    c = held(trials).c
    for k in range(3):
        alone = split_half(trials[..., k], correlate=spearman).per_neuroid
        np.testing.assert_allclose(c[:, k], alone, atol=1e-12)
    median = np.median(c, axis=0)
    assert abs(median[0]) < 0.3  # noise
    assert median[1] == pytest.approx(8 / 9, abs=0.05)
    assert median[2] > 0.97


def test_a_bin_without_reliability_is_nan_and_leaves_the_others():
    trials = np.random.default_rng(0).standard_normal((6, 20, 4, 3))
    trials[1:, 3, :, 1] = np.nan  # an image of which one half has nothing in this bin
    trials[..., 2] = 5.0
    np.testing.assert_array_equal(np.isnan(held(trials).c), [[False, True, True]] * 4)


def test_truth_reaches_the_ceiling_and_the_interval_holds_it(score):
    low, high = score.ci
    assert low < score.value < high
    assert score.value == pytest.approx(1.0, abs=0.05)
    assert score.ci_method.endswith("maps not refitted")  # its coverage is measured
    assert len(score.draws) == 1000


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ({}, {"floor": 0.1}),
        ({}, {"formula": "raw"}),
        ({}, {"resample": "units"}),
        ({"n_components": 8}, {"protocol": "brainscore"}),
        ({"n_splits": 2}, {}),
        ({"solver": "sgd", "descent": {"epochs": 2}}, {}),
    ],
)
def test_an_interval_whose_coverage_was_not_measured_is_approximate(
    data, moving, options, settings
):
    found = benchmark(data, **options).score(model_of(data, moving[0]), Settings(**settings))
    assert found.ci_approximate


def test_a_static_model_and_shuffled_images_are_less(data, moving, score):
    X, _, trials = moving
    still = benchmark(data).score(model_of(data, X[:, :, [2]]))
    assert still.value < score.value - 0.1
    mixed = brain(None, trials=trials[:, np.random.default_rng(0).permutation(N)], time=TIME)
    assert abs(benchmark(mixed).score(model_of(data, X)).value) < 0.25


@pytest.mark.parametrize("resample", ["images", "units"])
def test_what_is_random_is_named(data, moving, score, resample):
    found = benchmark(data).score(model_of(data, moving[0]), Settings(resample=resample))
    assert f"bootstrap of {resample}," in found.ci_method
    assert found.value == score.value
    assert found.ci != score.ci


def test_one_quarter_is_the_first_of_four(data, moving, score):
    one = benchmark(data, n_splits=1).score(model_of(data, moving[0]))
    assert one.predictions.sizes["sample"] == N // 4
    first = score.predictions.isel(sample=score.predictions.fold.values == 0)
    np.testing.assert_array_equal(one.predictions.predicted.values, first.predicted.values)
    assert one.record.choices["splits"] == "1 of 4 disjoint quarters held out"
    assert one.record.choices["held_out_images"] == N // 4


def test_predictions_give_back_the_curve(score):
    stored = score.predictions
    assert stored.predicted.dims == ("sample", "neuroid", "time")
    r = [
        np.corrcoef(
            stored.predicted.values[stored.fold.values == 0, 0, t],
            stored.target.values[stored.fold.values == 0, 0, t],
        )[0, 1]
        for t in range(BINS)
    ]
    assert np.isfinite(r).all()
    assert stored.time_start.values.tolist() == [start for start, _ in TIME]


def test_square_wave_says_nothing_outside_its_pulse(data, moving):
    X = moving[0][:, :, [2]]
    clock = square_wave(["early", "IT"], on_ms=30)
    found = benchmark(data).score(model_of(data, X, clock=clock))
    r = np.array(found.figures["r"])
    assert (r[[0, 4, 5]] == 0).all()
    assert (r[1:4] > 0.1).all()
    assert found.figures["constant_predictions"] == [SITES, 0, 0, 0, SITES, SITES]


def test_a_static_model_holds_or_is_a_square_wave(data, moving):
    X = moving[0][:, :, [2]]
    holds = benchmark(data).score(model_of(data, X, clock=STATIC))
    assert not any(holds.figures["constant_predictions"])
    assert holds.record.choices["static_model"].startswith("its one state holds at all times")
    pulse = Presentation(kind="pulse", on_ms=20, total_ms=60)
    late = replace(benchmark(data, static_latency=30.0), presentation=pulse)
    wave = late.score(model_of(data, X, clock=STATIC))
    assert np.flatnonzero(wave.figures["r"]).tolist() == [3, 4]
    assert wave.record.choices["static_model"].startswith("a square wave from 30 to 50 ms")
    # A model that knows its own times keeps them, and so does Brain-Score's repetition of one state.
    assert late.score(model_of(data, moving[0])).record.choices["static_model"] is None
    theirs = replace(late, measure=Dynamics(n_components=3, static_latency=30.0))
    found = theirs.score(model_of(data, X, clock=STATIC), Settings(protocol="brainscore"))
    assert np.all(found.figures["r"])


def test_the_clock_of_a_model_makes_the_bins(data, moving):
    X = moving[0]
    pairs = Timeline(
        name="pairs", source="test", steps={"IT": [(0, 20), (20, 40), (40, 60)]}, nominal=True
    )
    coarse = X.reshape(N, P, 3, 2).mean(axis=3)
    written = np.repeat(coarse, 2, axis=2)
    one, other = (
        benchmark(data).score(model_of(data, A, clock=c))
        for A, c in ((coarse, pairs), (written, CLOCK))
    )
    np.testing.assert_allclose(one.figures["r"], other.figures["r"], atol=1e-6)
    assert one.record.choices["features"][0]["states"] == 3


def test_a_bin_that_the_clock_does_not_cover_is_named(data, moving):
    short = Timeline(name="short", source="test", steps={"IT": TIME[:5]})
    with pytest.raises(InputError, match="50-60 ms is not covered"):
        benchmark(data).score(model_of(data, moving[0][:, :, :5], clock=short))


def test_wide_layers_are_reduced_without_loss(data, moving, monkeypatch):
    X, _, _ = moving
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((700, P)))[0]
    wide = np.einsum("ipt,wp->iwt", X, basis)
    narrow = benchmark(data).score(model_of(data, X))
    monkeypatch.setattr(states_module, "WIDE", 500)
    found = benchmark(data).score(model_of(data, wide))
    np.testing.assert_allclose(found.figures["r"], narrow.figures["r"], atol=1e-4)
    assert found.record.choices["features"][0]["variance_kept"] == 1.0
    assert found.record.choices["features"][0]["features"] == 700


def test_descent_is_close_to_ridge_and_recorded(data, moving, score):
    one = {"n_splits": 1, "descent": {"epochs": 50, "batch": 30}}
    found = benchmark(data, solver="sgd", **one).score(model_of(data, moving[0]))
    assert found.value == pytest.approx(score.value, abs=0.1)
    assert found.record.choices["descent"] == {"epochs": 50, "batch": 30}
    assert found.record.choices["penalty"] is None


def test_brainscore_is_span_time_pls(data, moving):
    options = {"n_components": 3}
    found = benchmark(data, **options).score(
        model_of(data, moving[0]), Settings(protocol="brainscore")
    )
    assert found.formula == "raw-v1"
    assert all(found.figures["bins_used"])
    assert found.value == pytest.approx(np.mean(found.figures["r"]))
    assert found.error > 0
    nipals = benchmark(data, **options, pls_solver="nipals").score(
        model_of(data, moving[0]), Settings(protocol="brainscore")
    )
    assert nipals.value == pytest.approx(found.value, abs=0.01)


@pytest.fixture(scope="module")
def two():
    """A layer more, which has nothing to do with the sites."""
    return {"other": np.random.default_rng(8).standard_normal((N, P, BINS))}


class TestLayers:
    """Several layers for one region."""

    def test_the_layer_that_serves_most_units(self, data, moving, two, score):
        both = Known(
            responses={"IT": moving[0], **two},
            ids=data.pictures.ids,
            areas={"IT": ["other", "IT"]},
            clocks={"steps": CLOCK},
            static=False,
        )
        found = benchmark(data).score(both)
        assert found.record.layer == "IT"
        assert found.figures["layer_units"] == {"all": {"other": 0.0, "IT": float(SITES)}}
        assert found.value == pytest.approx(score.value, abs=1e-12)
        with pytest.raises(InputError, match="one layer per region"):
            benchmark(data).score(both, Settings(protocol="brainscore"))
        chosen = benchmark(data).score(both, Settings(layers={"IT": "other"}))
        assert chosen.value < 0.3

    def test_each_array_has_its_own(self, moving, two):
        rng = np.random.default_rng(1)
        X, _, trials = moving
        other = np.einsum("ipt,pq->iqt", two["other"], rng.standard_normal((P, 3)))
        late = other + 2.0 * rng.standard_normal((10, *other.shape))
        together = np.concatenate([trials, late], axis=2)
        plain = brain(None, trials=together, time=TIME)
        arrays = ["pIT"] * SITES + ["aIT"] * 3
        recorded = plain.regions["IT"].assign_coords(array=("neuroid", arrays))
        data = ArrayData(name="Known", pictures=plain.pictures, regions={"IT": recorded})
        both = Known(
            responses={"IT": X, **two},
            ids=data.pictures.ids,
            areas={"IT": ["IT", "other"]},
            clocks={"steps": CLOCK},
            static=False,
        )
        found = benchmark(data).score(both)
        assert found.figures["layer_units"]["pIT"]["IT"] == SITES
        assert found.figures["layer_units"]["aIT"]["other"] == 3
        assert set(found.record.choices["layers"][0].values()) == {"IT", "other"}
        assert found.value > 0.9

    def test_unknown_region(self, data, moving):
        with pytest.raises(NotApplicableError, match="no layer of known stands for IT"):
            benchmark(data).score(model_of(data, moving[0], areas={"V4": ["IT"]}))


def test_temporal_correlation_of_single_images(moving):
    """Bins of 50 to 250 ms only."""
    rng = np.random.default_rng(0)
    time = [(10.0 * k, 10.0 * k + 10) for k in range(12)]
    X = rng.standard_normal((N, P, 12)).cumsum(axis=2)
    Y = np.einsum("ipt,pq->iqt", X, rng.standard_normal((P, 3)))
    data = brain(Y, time=time)
    clock = Timeline(name="steps", source="test", steps={"IT": time})
    case = benchmark(data, window=(0, 120), formula="raw")
    found = case.score(model_of(data, X, clock=clock))
    assert found.figures["temporal_correlation"]["all"] == pytest.approx(1.0, abs=1e-6)
    still = case.score(model_of(data, X[:, :, [7]]))
    assert still.figures["temporal_correlation"]["all"] == 0.0
    early = benchmark(data, window=(0, 70), formula="raw").score(model_of(data, X, clock=clock))
    assert early.figures["temporal_correlation"] is None


def test_null_on_request(data, moving, score):
    for kind in ("images", "within-object"):
        found = benchmark(data).score(model_of(data, moving[0]), Settings(null=kind, null_draws=9))
        assert found.value == score.value
        assert found.null["kind"] == kind
        assert abs(found.null["mean"]) < 0.2
        assert found.null["p"] == found.null["resolution"] == 0.1


def test_no_trials_no_ceiling(data, moving):
    X, _, trials = moving
    mean_only = brain(trials.mean(axis=0), time=TIME)
    found = benchmark(mean_only).score(model_of(mean_only, X))
    assert found.value is None
    assert "needs repeated trials" in found.reason
    assert found.reason.endswith("only the mean of the trials is there")
    assert found.figures["c"] is None
    raw = benchmark(mean_only).score(model_of(mean_only, X), Settings(formula="raw"))
    assert raw.value == pytest.approx(np.mean(raw.figures["r"]))
    assert raw.ceiling is None
    one_trial = brain(None, trials=trials[:1], time=TIME)
    assert "needs repeated trials" in benchmark(one_trial).score(model_of(one_trial, X)).reason
    with pytest.raises(InputError, match=r"a floor of 0\.1 for sites without"):
        benchmark(mean_only).score(model_of(mean_only, X), Settings(floor=0.1))


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_an_image_that_was_shown_once_costs_the_ceiling_not_the_raw_score(moving, protocol):
    X, _, trials = moving
    holes = trials.copy()
    holes[1:, :3] = np.nan
    plain = brain(None, trials=trials, time=TIME)
    recorded = plain.regions["IT"].copy(data=holes).assign_attrs(missing="nan")
    one = benchmark(replace(plain, regions={"IT": recorded}), n_components=3)
    model, settings = model_of(plain, X), Settings(formula="raw", protocol=protocol)
    raw = one.score(model, settings)
    assert raw.value == raw.raw == pytest.approx(np.mean(raw.figures["r"])) != 0
    assert (raw.ceiling, raw.figures["c"]) == (None, None)
    assert all(raw.figures["bins_used"])
    assert raw.ci[0] < raw.value < raw.ci[1]
    held_out = raw.record.choices["held_out_images"]
    count = 3 if protocol == "paper" else r"\d"
    told = rf"{count} of {held_out} held-out images without a trial in one half of the repetitions"
    assert any(re.fullmatch(f"no ceiling: {told}", note) for note in raw.record.notes)
    ceiled = one.score(model, replace(settings, formula="r/sqrt(c)"))
    assert (ceiled.value, ceiled.raw) == (None, raw.raw)
    assert re.search(
        rf"no ceiling: r/sqrt\(c\) needs repeated trials of every image; {told}", ceiled.reason
    )
    with pytest.raises(
        InputError, match=rf"a floor of 0\.1 for sites without a reliability: {told}"
    ):
        one.score(model, replace(settings, floor=0.1))


@pytest.mark.parametrize("second", [1.0, 0.0, -1.0])
def test_halves_without_a_reliability_say_so(moving, second):
    """The halves are opposites, or one of them does not vary: reliability has no figure in any bin."""
    _, signal, _ = moving
    one = held(np.stack([signal, second * signal]))
    assert (one.c is None) == (second < 1)
    expected = "half means of the repetitions do not vary with the image, or are opposites"
    assert one.no_c == (expected if second < 1 else "")


def test_noise_alone_has_no_bin_that_counts(moving):
    noise = np.random.default_rng(0).standard_normal((10, N, SITES, BINS))
    data = brain(None, trials=noise, time=TIME)
    found = benchmark(data).score(model_of(data, moving[0]))
    assert found.value is None
    assert "no time bin with a median reliability of 0.3" in found.reason
    assert not any(found.figures["bins_used"])


def test_floor_leaves_out_and_counts(moving):
    X, _, trials = moving
    noisy = trials.copy()
    noisy[:, :, 0] = np.random.default_rng(0).standard_normal(noisy[:, :, 0].shape)
    data = brain(None, trials=noisy, time=TIME)
    found = benchmark(data).score(model_of(data, X), Settings(floor=0.4))
    assert found.excluded == {"reliability below 0.4": 1}
    assert found.n_units == SITES - 1
    with pytest.raises(InputError, match="none of 6 sites"):
        benchmark(data).score(model_of(data, X), Settings(floor=0.999))


def test_silent_sites_and_silent_bins_are_counted(moving):
    X, _, trials = moving
    quiet = trials.copy()
    quiet[:, :, 0] = 7.0
    quiet[:, :, 1, 0] = 0.0
    quiet[:, :, :, 5] = 3.0
    data = brain(None, trials=quiet, time=TIME)
    found = benchmark(data).score(model_of(data, X))
    assert found.excluded == {"constant response": 1}
    assert np.isnan(found.per_unit.values[0])
    assert found.figures["constant_responses"] == [1, 0, 0, 0, 0, SITES - 1]
    assert found.figures["r"][5] is None
    assert found.figures["bins_used"][5] is False
    assert np.isfinite(found.value)
    with pytest.raises(InputError, match="respond the same to every image"):
        benchmark(brain(np.ones((N, 2, BINS)), time=TIME)).score(model_of(data, X))


def test_missing_trials_are_skipped(moving, score):
    X, _, trials = moving
    holes = trials.copy()
    holes[3, ::2] = np.nan
    plain = brain(None, trials=trials, time=TIME)
    recorded = plain.regions["IT"].copy(data=holes).assign_attrs(missing="nan")
    data = ArrayData(name="Known", pictures=plain.pictures, regions={"IT": recorded})
    found = benchmark(data).score(model_of(data, X))
    assert found.value == pytest.approx(score.value, abs=0.05)
    holes[:, 0, 0, 2] = np.nan
    broken = recorded.copy(data=holes)
    data = ArrayData(name="Known", pictures=plain.pictures, regions={"IT": broken})
    with pytest.raises(InputError, match="1 responses have no recorded repetition"):
        benchmark(data).score(model_of(data, X))


def test_blank_normalization_changes_no_correlation(moving, score):
    X, _, trials = moving
    plain = brain(None, trials=trials, time=TIME)
    blank = np.array([2.0, 4.0, 0.0, np.nan, 1.0, 3.0])
    recorded = plain.regions["IT"].assign_coords(blank=("neuroid", blank))
    data = ArrayData(name="Known", pictures=plain.pictures, regions={"IT": recorded})
    found = benchmark(data).score(model_of(data, X))
    np.testing.assert_allclose(found.figures["r"], score.figures["r"], atol=1e-9)
    assert found.record.choices["normalized_by"].endswith("2 neuroids without one are as they were")
    np.testing.assert_allclose(
        found.predictions.target.values[:, 1] * 4.0, score.predictions.target.values[:, 1]
    )
    off = benchmark(data, blank=False).score(model_of(data, X))
    assert off.record.choices["normalized_by"] == "nothing"


def overlapping(trials):
    return brain(None, trials=trials, time=[(5.0 * k, 5.0 * k + 10) for k in range(BINS)])


BAD = {
    "no time": (lambda t: brain(t[:, :, :, 0].mean(axis=0)), {}, "without time bins"),
    "overlap": (overlapping, {}, "0-10 and 5-15 ms overlap"),
    "window": (lambda t: brain(None, trials=t, time=TIME), {"window": (0, 15)}, "1 of the time"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_time_is_named(case, moving):
    make_data, options, message = BAD[case]
    data = make_data(moving[2])
    with pytest.raises(InputError, match=message):
        benchmark(data, **options).score(model_of(data, moving[0]))


@pytest.mark.parametrize("order", [[1, 0, 2, 3, 4, 5], [0, 0, 2, 3, 4, 5]])
def test_bins_that_do_not_rise_are_refused(order, moving):
    with pytest.raises(InputError, match="time bins that do not increase"):
        brain(None, trials=moving[2], time=[TIME[k] for k in order])


def test_nan_in_a_bin_is_refused(moving):
    trials = moving[2].copy()
    trials[0, 0, 0, 1] = np.nan
    with pytest.raises(InputError, match="1 NaN"):
        brain(None, trials=trials, time=TIME)


def test_too_few_images_of_an_object(moving):
    X, _, trials = moving
    data = brain(None, trials=trials[:, :13], time=TIME)
    with pytest.raises(InputError, match=r"too few stimuli for 4 folds: obj1 \(3\)"):
        benchmark(data).score(model_of(data, X[:13]))


def test_a_layer_that_never_varies(data):
    with pytest.raises(InputError, match="'IT' responds the same to all 60 training"):
        benchmark(data).score(model_of(data, np.ones((N, P, BINS))))


def test_recordings_without_neuroids(data, moving):
    recorded = make(
        np.random.default_rng(0).random((N, BINS)),
        stimulus={"stimulus_id": data.pictures.ids},
        time=TIME,
        units="a.u.",
    )
    other = ArrayData(name="Known", pictures=data.pictures, regions={"IT": recorded})
    with pytest.raises(InputError, match="neuroid among them"):
        benchmark(other).score(model_of(data, moving[0]))


def test_several_sessions_are_refused(data, moving):
    class Several(ArrayData):
        def sessions(self):
            return {}

    several = Several(name="Known", pictures=data.pictures, regions=data.regions)
    with pytest.raises(InputError, match="several recording sessions"):
        benchmark(several).score(model_of(data, moving[0]))


@pytest.mark.parametrize(
    "options", [{"n_splits": 5}, {"n_inner": 1}, {"solver": "lasso"}, {"pls_solver": "svd"}]
)
def test_bad_options_are_named(options):
    with pytest.raises(InputError, match=str(next(iter(options.values())))):
        Dynamics(**options)


def test_needs(data, moving):
    model = model_of(data, moving[0])
    needs = benchmark(data).needs(model, Settings(limit=40))
    assert needs.layers == ("IT",)
    assert len(needs.stimuli) == 40
    assert needs.presentation.kind == "constant"


def test_a_limit_is_partial(data, moving):
    found = benchmark(data).score(model_of(data, moving[0]), Settings(limit=60))
    assert found.partial
    assert found.n_stimuli == 60


def test_what_it_will_take_grows_with_what_there_is():
    def seconds(**more):
        size = {"stimuli": 320, "units": 64, "repetitions": 20, "bins": 25, "nominal": True}
        sizes = Sizes(**{**size, "features": (5000,), "steps": (4,), **more})
        return Dynamics(n_splits=4).work(sizes, Settings()).time()

    one = seconds()
    assert 0 < one < seconds(units=640)
    assert one < seconds(features=(50_000,))
    assert 5 * one < seconds(features=(5000, 5000), steps=(4, 4))  # layers are chosen bin by bin
