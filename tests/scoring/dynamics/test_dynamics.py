"""From recordings and activations over time to a score of neural dynamics."""

from dataclasses import replace

import numpy as np
import pytest
from known import brain
from over_time import BINS, SITES, TIME, N, P, benchmark, evaluation_of, model_of, with_coordinates
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import StratifiedKFold

from brainbench.core.assembly import make
from brainbench.core.errors import InputError
from brainbench.core.presentation import Presentation
from brainbench.core.settings import Settings
from brainbench.core.timeline import STATIC, Timeline, square_wave
from brainbench.data.arrays import ArrayData
from brainbench.metrics.temporal.shared_map import PENALTIES
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench.scoring.pipeline import score
from brainbench.stats.splits import inner

# --- held-out correlations -------------------------------------------------------------------------


def slow(data, X, trials, seed):
    """Return r of every site and bin by the same definition, by loops over scikit-learn: site x bin."""
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
                errors = ridge_of(fit_on, share).predict(rows(X, left)) - rows(Y, left)
                losses[k] += np.square(errors).sum(axis=0)
        per_site = []
        for site, best in enumerate(losses.argmin(axis=0)):
            ridge = ridge_of(train, PENALTIES[best])
            predicted = ridge.predict(rows(X, test))[:, site].reshape(len(test), BINS)
            per_site.append(
                [np.corrcoef(predicted[:, t], Y[test, site, t])[0, 1] for t in range(BINS)]
            )
        r.append(per_site)
    return np.mean(r, axis=0)


def test_equals_a_slow_program_of_scikit_learn(data, moving, model):
    X, _, trials = moving
    ours = score(benchmark(data), model, Settings(seed=5))
    theirs = slow(data, X, trials, seed=5)
    np.testing.assert_allclose(ours.figures["r"], np.median(theirs, axis=0), atol=1e-7)
    used = np.array(ours.figures["bins_used"])
    np.testing.assert_allclose(ours.per_unit.values, theirs[:, used].mean(axis=1), atol=1e-7)


NOISE = 2 * np.sqrt(np.pi / 2 / (N * SITES))  # two standard errors of the median correlation
LEAST_C = 5 * NOISE / (1 + 4 * NOISE)  # from halves of 4 of the 10 trials


def test_the_value_is_what_the_curves_say(four_quarters):
    figures = four_quarters.figures
    r, c, used = (np.array(figures[key]) for key in ("r", "c", "bins_used"))
    assert used.tolist() == (np.array(figures["c_choosing"]) >= LEAST_C).tolist()
    assert used.any()
    assert LEAST_C > 0.3
    assert f"{LEAST_C:.2g}" in four_quarters.record.choices["scalar"]
    assert four_quarters.value == pytest.approx(np.mean(r[used] / np.sqrt(c[used])), abs=1e-12)
    assert four_quarters.raw == pytest.approx(r[used].mean())
    assert four_quarters.ceiling == pytest.approx(c[used].mean())
    assert four_quarters.formula == "r/sqrt(c)-v1"


def test_truth_reaches_the_ceiling_and_the_interval_holds_it(four_quarters):
    low, high = four_quarters.ci
    assert low < four_quarters.value < high
    assert four_quarters.value == pytest.approx(1.0, abs=0.05)
    assert not four_quarters.ci_approximate  # perf/coverage.py has this case


def test_a_static_model_and_shuffled_images_score_less(data, moving, model, four_quarters):
    X, _, trials = moving
    still = score(benchmark(data), model_of(data, X[:, :, [2]]))
    assert still.value < four_quarters.value - 0.1
    mixed = brain(None, trials=trials[:, np.random.default_rng(0).permutation(N)], time=TIME)
    assert abs(score(benchmark(mixed), model).value) < 0.25


def test_one_quarter_is_the_first_of_four(data, model, four_quarters):
    quarter = score(benchmark(data, n_splits=1), model)
    assert quarter.predictions.sizes["sample"] == N // 4
    first = four_quarters.predictions.isel(sample=four_quarters.predictions.fold.values == 0)
    np.testing.assert_array_equal(quarter.predictions.predicted.values, first.predicted.values)
    assert quarter.record.choices["splits"] == "1 of 4 disjoint quarters held out"
    assert quarter.record.choices["held_out_images"] == N // 4


def test_predictions_give_back_the_curve(four_quarters):
    stored = four_quarters.predictions
    assert stored.predicted.dims == ("sample", "neuroid", "time")
    assert stored.time_start.values.tolist() == [start for start, _ in TIME]
    r = np.empty((4, SITES, BINS))
    for fold in range(4):
        held_out = stored.isel(sample=stored.fold.values == fold)
        for site in range(SITES):
            for t in range(BINS):
                pair = held_out.predicted.values[:, site, t], held_out.target.values[:, site, t]
                r[fold, site, t] = np.corrcoef(*pair)[0, 1]
    median = np.median(r.mean(axis=0), axis=0)
    np.testing.assert_allclose(median, four_quarters.figures["r"], atol=1e-12)


def test_curves_of_one_array_are_those_of_the_predictions(four_quarters):
    figures, stored = four_quarters.figures, four_quarters.predictions
    assert figures["r_by_array"] == {"all": figures["r"]}
    assert figures["explained_variance_by_layer"] is None  # there is one layer
    explained = np.empty((4, SITES, BINS))
    for fold in range(4):
        held_out = stored.isel(sample=stored.fold.values == fold)
        for site, t in np.ndindex(SITES, BINS):
            pair = held_out.target.values[:, site, t], held_out.predicted.values[:, site, t]
            explained[fold, site, t] = r2_score(*pair)
    by_hand = np.median(explained.mean(axis=0), axis=0)
    np.testing.assert_allclose(figures["explained_variance"]["all"], by_hand, atol=1e-12)


def test_nearest_unit_needs_no_map(data, moving, model):
    rates = model_of(data, moving[1])
    nearest = score(benchmark(data, solver="neuron-to-neuron", scored=(0, 60)), rates)
    assert nearest.value == pytest.approx(1.0, abs=0.03)
    assert nearest.record.choices["penalty"] is None
    wide = model_of(data, np.repeat(moving[1], 200, axis=1))
    with pytest.raises(InputError, match="1200 units"):
        score(benchmark(data, solver="neuron-to-neuron"), wide)


def test_descent_is_close_to_ridge_and_recorded(data, model, four_quarters):
    options = {"n_splits": 1, "descent": {"epochs": 50, "batch": 30}}
    descended = score(benchmark(data, solver="sgd", **options), model)
    assert descended.value == pytest.approx(four_quarters.value, abs=0.1)
    assert descended.record.choices["descent"] == {"epochs": 50, "batch": 30}
    assert descended.record.choices["penalty"] is None


def test_brainscore_is_span_time_pls(data, model):
    exact, nipals = (
        score(
            benchmark(data, n_components=3, pls_solver=solver),
            model,
            Settings(protocol="brainscore"),
        )
        for solver in ("exact", "nipals")
    )
    assert exact.formula == "raw-v1"
    assert all(exact.figures["bins_used"])
    assert exact.value == pytest.approx(np.mean(exact.figures["r"]))
    assert exact.error > 0
    assert nipals.value == pytest.approx(exact.value, abs=0.01)


def test_temporal_correlation_of_single_images():
    """Only bins of 50 to 250 ms are correlated."""
    rng = np.random.default_rng(0)
    time = [(10.0 * k, 10.0 * k + 10) for k in range(12)]
    X = rng.standard_normal((N, P, 12)).cumsum(axis=2)
    data = brain(np.einsum("ipt,pq->iqt", X, rng.standard_normal((P, 3))), time=time)
    moves = model_of(data, X, clock=Timeline(name="steps", source="test", steps={"IT": time}))
    case = benchmark(data, window=(0, 120), formula="raw")
    temporal = score(case, moves).figures["temporal_correlation"]
    assert temporal["all"] == pytest.approx(1.0, abs=1e-6)
    still = score(case, model_of(data, X[:, :, [7]]))
    assert still.figures["temporal_correlation"]["all"] == 0.0
    early = score(replace(case, window=(0, 70)), moves)
    assert early.figures["temporal_correlation"] is None


# --- the model's time ------------------------------------------------------------------------------


def test_square_wave_says_nothing_outside_its_pulse(data, moving):
    clock = square_wave(["early", "IT"], on_ms=30)
    wave = score(benchmark(data), model_of(data, moving[0][:, :, [2]], clock=clock))
    r = np.array(wave.figures["r"])
    assert (r[[0, 4, 5]] == 0).all()
    assert (r[1:4] > 0.1).all()
    assert wave.figures["constant_predictions"] == [SITES, 0, 0, 0, SITES, SITES]


def test_a_static_model_holds_or_is_a_square_wave(data, moving, model):
    still = model_of(data, moving[0][:, :, [2]], clock=STATIC)
    holds = score(benchmark(data), still)
    assert not any(holds.figures["constant_predictions"])
    assert "all times" in holds.record.choices["static_model"]
    pulse = Presentation(kind="pulse", on_ms=20, total_ms=60)
    late = replace(benchmark(data, static_latency=30.0), presentation=pulse)
    wave = score(late, still)
    assert np.flatnonzero(wave.figures["r"]).tolist() == [3, 4]
    assert "30 to 50 ms" in wave.record.choices["static_model"]
    # A model that knows its own times keeps them, and so does Brain-Score's repetition of one state.
    assert score(late, model).record.choices["static_model"] is None
    theirs = replace(late, measure=Dynamics(n_components=3, static_latency=30.0))
    assert np.all(score(theirs, still, Settings(protocol="brainscore")).figures["r"])


def test_the_clock_of_a_model_makes_the_bins(data, moving):
    spans = [(0, 20), (20, 40), (40, 60)]
    pairs = Timeline(name="pairs", source="test", steps={"IT": spans}, nominal=True)
    coarse = moving[0].reshape(N, P, 3, 2).mean(axis=3)
    in_pairs = score(benchmark(data), model_of(data, coarse, clock=pairs))
    repeated = score(benchmark(data), model_of(data, np.repeat(coarse, 2, axis=2)))
    np.testing.assert_allclose(in_pairs.figures["r"], repeated.figures["r"], atol=1e-6)
    assert in_pairs.record.choices["features"][0]["states"] == 3


def test_a_bin_that_the_clock_does_not_cover_is_named(data, moving):
    short = Timeline(name="short", source="test", steps={"IT": TIME[:5]})
    with pytest.raises(InputError, match="50-60 ms"):
        score(benchmark(data), model_of(data, moving[0][:, :, :5], clock=short))


# --- layers ----------------------------------------------------------------------------------------


def test_wide_layers_are_reduced_without_loss(data, moving, model):
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((1100, P)))[0]
    wide = np.einsum("ipt,wp->iwt", moving[0], basis)
    narrow = score(benchmark(data, n_splits=1), model)
    reduced = score(benchmark(data, n_splits=1), model_of(data, wide))
    np.testing.assert_allclose(reduced.figures["r"], narrow.figures["r"], atol=1e-4)
    (features,) = reduced.record.choices["features"]
    assert (features["features"], features["variance_kept"]) == (1100, 1.0)
    assert features["used"] < 1000


@pytest.fixture(scope="module")
def unrelated():
    """Another layer, which has nothing to do with the sites."""
    return {"other": np.random.default_rng(8).standard_normal((N, P, BINS))}


def test_the_layer_that_serves_most_sites(data, moving, unrelated, four_quarters):
    both = model_of(data, moving[0], others=unrelated, areas={"IT": ["other", "IT"]})
    selected = score(benchmark(data), both)
    assert selected.selection.layer == "IT"
    assert selected.figures["layer_units"] == {"all": {"other": 0.0, "IT": float(SITES)}}
    assert selected.value == pytest.approx(four_quarters.value, abs=1e-12)
    with pytest.raises(InputError, match="2 layers for IT: other, IT"):
        score(benchmark(data), both, Settings(protocol="brainscore"))
    assert score(benchmark(data), both, Settings(layers={"IT": "other"})).value < 0.3


def test_each_array_has_its_own_layer(moving, unrelated):
    rng = np.random.default_rng(1)
    X, _, trials = moving
    from_other = np.einsum("ipt,pq->iqt", unrelated["other"], rng.standard_normal((P, 3)))
    more = from_other + 2.0 * rng.standard_normal((10, *from_other.shape))
    plain = brain(None, trials=np.concatenate([trials, more], axis=2), time=TIME)
    data = with_coordinates(plain, array=["pIT"] * SITES + ["aIT"] * 3)
    both = model_of(data, X, others=unrelated, areas={"IT": ["IT", "other"]})
    settings = Settings(null="images", null_draws=3)
    by_array = score(benchmark(data), both, settings)
    assert by_array.figures["layer_units"]["pIT"]["IT"] == SITES
    assert by_array.figures["layer_units"]["aIT"]["other"] == 3
    assert set(by_array.record.choices["layers"][0].values()) == {"IT", "other"}
    assert by_array.value > 0.9
    curves = by_array.figures["explained_variance_by_layer"]
    assert min(curves["pIT"]["IT"]) > 0.5 > max(curves["pIT"]["other"])
    assert min(curves["aIT"]["other"]) > 0.5 > max(curves["aIT"]["IT"])
    for name in ("r_by_array", "explained_variance"):
        assert set(by_array.figures[name]) == {"pIT", "aIT"}
    own = evaluation_of(benchmark(data), both, settings).shuffled([np.arange(N)[None]])
    np.testing.assert_allclose(own.raw[0], by_array.figures["r"], atol=1e-12)


# --- what cannot be scored -------------------------------------------------------------------------


def test_blank_normalization_changes_no_correlation(data, model, four_quarters):
    blank = [2.0, 4.0, 0.0, np.nan, 1.0, 3.0]
    with_blank = with_coordinates(data, blank=blank)
    divided = score(benchmark(with_blank), model)
    np.testing.assert_allclose(divided.figures["r"], four_quarters.figures["r"], atol=1e-9)
    assert "2 neuroids" in divided.record.choices["normalized_by"]
    ours, plain = (s.predictions.target.values[:, 1] for s in (divided, four_quarters))
    np.testing.assert_allclose(ours * 4.0, plain)
    off = score(benchmark(with_blank, blank=False), model)
    assert off.record.choices["normalized_by"] == "nothing"


OVERLAPPING = [(5.0 * k, 5.0 * k + 10) for k in range(BINS)]
BAD_TIME = {
    "overlap": ({"time": OVERLAPPING}, {}, "0-10 and 5-15 ms"),
    "window": ({"time": TIME}, {"window": (0, 15)}, "1 of the time"),
}


@pytest.mark.parametrize("case", BAD_TIME)
def test_bad_time_is_named(case, moving, model):
    time, options, named = BAD_TIME[case]
    with pytest.raises(InputError, match=named):
        score(benchmark(brain(None, trials=moving[2], **time), **options), model)


def test_recordings_without_time(moving, model):
    with pytest.raises(InputError, match="time"):
        score(benchmark(brain(moving[1][:, :, 0])), model)


def test_recordings_without_neuroids(data, model):
    recorded = make(
        np.random.default_rng(0).random((N, BINS)),
        stimulus={"stimulus_id": data.pictures.ids},
        time=TIME,
        units="a.u.",
    )
    with pytest.raises(InputError, match="neuroid"):
        score(benchmark(replace(data, regions={"IT": recorded})), model)


def test_too_few_images_of_an_object(moving):
    X, _, trials = moving
    data = brain(None, trials=trials[:, :13], time=TIME)
    with pytest.raises(InputError, match=r"3 show obj1.*\n.*at least 7 of each"):
        score(benchmark(data), model_of(data, X[:13]))


def test_a_layer_that_never_varies(data):
    with pytest.raises(InputError, match=r"'IT'.* 60 "):
        score(benchmark(data), model_of(data, np.ones((N, P, BINS))))


def test_several_sessions_are_refused(data, model):
    class Several(ArrayData):
        def sessions(self):
            return {"one": data}

    several = Several(name="Known", pictures=data.pictures, regions=data.regions)
    with pytest.raises(InputError, match="sessions"):
        score(benchmark(several), model)


@pytest.mark.parametrize(
    "options", [{"n_splits": 5}, {"n_inner": 1}, {"solver": "lasso"}, {"pls_solver": "svd"}]
)
def test_bad_options_are_named(options):
    with pytest.raises(InputError, match=str(next(iter(options.values())))):
        Dynamics(**options)
