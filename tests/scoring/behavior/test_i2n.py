"""The score of a model's errors beside those of subjects who choose between two objects."""

from dataclasses import replace

import numpy as np
import pytest
from known import Known
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from subjects import (
    STRONG,
    TrialData,
    assert_refused,
    behavior_benchmark,
    pictures,
    two_way_trials,
)

from brainbench.core.model import BEHAVIOR
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.data.arrays import ArrayData
from brainbench.metrics.behavior.i2n import correlation, d_prime, normalized, two_way
from brainbench.metrics.behavior.simulated_subjects import corrected_rate, simulated_subjects
from brainbench.metrics.behavior.trials import (
    cell_counts,
    encode,
    fraction_correct,
    halves,
    halves_of_cells,
)
from brainbench.scoring.behavior.i2n import I2n
from brainbench.scoring.pipeline import score
from brainbench.stats.bootstrap import stream
from brainbench.stats.ceiling import spearman_brown

OBJECTS, EACH, FEATURES = 4, 12, 10
N = OBJECTS * EACH


@pytest.fixture(scope="module")
def world():
    """Features, ids out of order, objects, and the fractions of a subject that reads the features."""
    rng = np.random.default_rng(3)
    truth = np.arange(N) % OBJECTS
    X = rng.standard_normal((OBJECTS, FEATURES))[truth] + rng.standard_normal((N, FEATURES))
    ids = [f"im{(7 * k) % N:02d}" for k in range(N)]
    objects = np.array(["cat", "cow", "dog", "hen"])[truth]
    order = np.argsort(ids)
    p = decoded(X[order], objects[order], seed=11)
    fraction = np.empty((N, OBJECTS))
    fraction[order] = two_way(p, truth[order])
    return X, ids, objects, fraction


@pytest.fixture(scope="module")
def data(world):
    _, ids, objects, fraction = world
    return TrialData(
        name="Known",
        pictures=pictures(ids, object_name=objects),
        regions={},
        table=two_way_trials(fraction, ids, objects),
    )


def decoded(X, objects, *, seed, n_splits=10):
    """Cross-validated read-out by scikit-learn alone; rows sorted by id."""
    p = np.empty((len(X), len(np.unique(objects))))
    for train, test in StratifiedKFold(n_splits, shuffle=True, random_state=seed).split(X, objects):
        fit = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=STRONG.C, solver="newton-cg", tol=1e-4, max_iter=100),
        ).fit(X[train], objects[train])
        p[test] = fit.predict_proba(X[test])
    return p


def benchmark(data, **options):
    return behavior_benchmark(data, I2n(**{"readout": STRONG, **options}))


def model_of(world, X=None, **more):
    features = world[0] if X is None else X
    options = {"responses": {"top": features[:, :, None]}, "areas": {BEHAVIOR: ["top"]}}
    return Known(ids=world[1], **{**options, **more})


@pytest.fixture(scope="module")
def scored(world, data):
    return score(benchmark(data), model_of(world), Settings(seed=5))


# --- the figure -----------------------------------------------------------------------------------


def slow(world, table, kind, *, seed):
    """Matrices of model and trials, by hand."""
    X, ids, objects, _ = world
    order = np.argsort(ids)
    truth = np.unique(objects, return_inverse=True)[1][order]
    trials = encode(*(table[key] for key in ("stimulus_id", "truth", "distractor", "choice")))
    model = two_way(decoded(X[order], objects[order], seed=seed), truth)

    def matrix(fraction):
        return normalized(d_prime(fraction, truth, false_alarms=kind), truth)

    return trials, matrix(model), matrix


def test_paper_equals_a_slow_program(world, data, scored):
    trials, model, matrix = slow(world, data.table, "paper", seed=5)
    assert scored.value == pytest.approx(
        float(correlation(model, matrix(corrected_rate(*cell_counts(trials)))))
    )
    assert (scored.formula, scored.raw) == ("raw-v1", scored.value)
    assert scored.n_units == scored.figures["n_cells"] == N * (OBJECTS - 1)


def test_brainscore_equals_a_slow_program(world, data):
    scored = score(benchmark(data), model_of(world), Settings(protocol="brainscore"))
    trials, model, matrix = slow(world, data.table, "brainscore", seed=0)
    r, c = [], []
    for pair in halves(len(trials)):
        first, second = (matrix(fraction_correct(trials, rows)) for rows in pair)
        r.append(float(correlation(model, first)))
        c.append(float(correlation(first, second)))
    values = np.array(r) / np.sqrt(c)
    assert scored.raw == pytest.approx(np.mean(r))
    assert scored.ceiling == pytest.approx(np.mean(c))
    assert scored.value == pytest.approx(values.mean())
    assert scored.error == pytest.approx(values.std())
    assert scored.formula == "r/sqrt(c)-v1"


def test_ceiling_grows_with_the_trials(world, data, scored):
    _, ids, objects, fraction = world
    more = replace(data, table=two_way_trials(fraction, ids, objects, n=400))
    many = score(benchmark(more), model_of(world), Settings(seed=5))
    assert 0.3 < scored.ceiling < many.ceiling < 1.0
    assert many.value > scored.value


@pytest.mark.parametrize(("n", "few"), [(23, True), (24, False)])
def test_ceiling_below_24_trials_of_each_cell_is_approximate(world, data, n, few):
    _, ids, objects, fraction = world
    declared = replace(data, table=two_way_trials(fraction, ids, objects, n=n))
    by_ceiling, raw = (
        score(benchmark(declared, n_simulated=20), model_of(world), Settings(formula=formula))
        for formula in ("r/sqrt(c)", "raw")
    )
    assert (by_ceiling.ci_approximate, raw.ci_approximate) == (few, False)
    assert by_ceiling.figures["trials_per_cell"] == n
    assert any(f"{n} trials of each cell" in note for note in by_ceiling.record.notes) == few


def test_ceiling_is_that_of_simulated_subjects_and_halves_stand_beside_it(world, data, scored):
    trials, _, matrix = slow(world, data.table, "paper", seed=5)
    pairs = simulated_subjects(
        *cell_counts(trials), n_subjects=200, rng=stream(5, "simulated subjects")
    )
    reached = [correlation(matrix(rates), matrix(own)) for rates, own in pairs]
    assert scored.ceiling == pytest.approx(np.mean(reached) ** 2)
    c = [
        correlation(*(matrix(corrected_rate(*cell_counts(trials, rows))) for rows in pair))
        for pair in halves_of_cells(trials, seed=5)
    ]
    assert scored.figures["ceiling_split_half"] == pytest.approx(spearman_brown(c).mean())


def test_no_image_is_decoded_by_a_readout_that_saw_it(world, data, scored):
    """Features of one image become nonsense: what is said of the other images of its fold stays."""
    X, ids, _, _ = world
    moved = X.copy()
    moved[0] = 50.0
    other = score(benchmark(data), model_of(world, moved), Settings(seed=5))
    fold = int(scored.predictions.fold.values[scored.predictions.stimulus_id.values == ids[0]][0])
    before, after = (
        one.predictions.predicted.values[one.predictions.fold.values == fold]
        for one in (scored, other)
    )
    changed = np.nanmax(np.abs(before - after), axis=1) > 1e-9
    assert changed.sum() == 1


def test_random_features_score_nothing_and_shuffled_trials_too(world, data, scored):
    _, ids, objects, fraction = world
    noise = np.random.default_rng(1).standard_normal((N, FEATURES))
    blind = score(benchmark(data), model_of(world, noise))
    rng = np.random.default_rng(2)
    mixed = np.empty_like(fraction)
    for name in np.unique(objects):
        rows = np.flatnonzero(objects == name)
        mixed[rows] = fraction[rng.permutation(rows)]
    shuffled = replace(data, table=two_way_trials(mixed, ids, objects))
    assert scored.value > 0.6
    assert abs(blind.value) < 0.3
    assert abs(score(benchmark(shuffled), model_of(world)).value) < 0.3


@pytest.mark.parametrize("kind", ["images", "within-object"])
def test_null(world, data, kind):
    settings = Settings(seed=5, null=kind, null_draws=50)
    scored = score(benchmark(data), model_of(world), settings)
    null = scored.null
    assert (null["kind"], null["n_draws"]) == (kind, 50)
    assert null["resolution"] == null["p"] == pytest.approx(1 / 51)
    assert abs(null["mean"]) < 4 * null["sd"] / np.sqrt(50)
    assert null["sd"] < 0.2


# --- what a Score carries ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("protocol", "formula", "approximate"),
    [
        ("paper", "raw", False),
        ("paper", "r/sqrt(c)", False),
        ("brainscore", "r/sqrt(c)", False),
        ("paper", "r/c", True),
        ("brainscore", "raw", True),
    ],
)
def test_an_interval_whose_coverage_was_not_measured_is_approximate(
    world, data, protocol, formula, approximate
):
    settings = Settings(protocol=protocol, formula=formula)
    scored = score(benchmark(data), model_of(world), settings)
    assert scored.ci_approximate == approximate


def test_predictions_give_the_score_back(scored):
    table = scored.predictions
    assert dict(table.sizes) == {"sample": N, "choice": OBJECTS}
    truth = np.searchsorted(table.choice.values, table.truth.values)
    matrices = [
        normalized(d_prime(table[key].values, truth), truth) for key in ("predicted", "target")
    ]
    assert float(correlation(*matrices)) == pytest.approx(scored.value)
    assert len(np.unique(table.fold)) == 10


def test_per_image(scored):
    assert scored.per_unit.dims == ("stimulus",)
    assert len(scored.per_unit) == N
    together = np.corrcoef(scored.per_unit.values, scored.per_unit.coords["observed"].values)[0, 1]
    assert together > 0.5
    for name in np.unique(scored.per_unit.coords["object_name"]):
        of_object = scored.per_unit.coords["object_name"].values == name
        assert scored.per_unit.values[of_object].mean() == pytest.approx(0, abs=1e-9)


def test_record_and_figures(scored, data):
    record = scored.record
    assert (scored.selection.layer, scored.selection.step) == ("top", 0)
    assert record.seeds["splits"] == record.seeds["halves"] == 5
    assert record.choices["splits"] == 10
    assert record.choices["false_alarms"] == "all other images"
    assert scored.figures["n_trials"] == len(data.table)
    assert scored.figures["cells_without_trials"] == 0
    assert 0.5 < scored.figures["i1"] <= 1.0
    assert scored.figures["i1_ceiling"] > 0.5
    right = (data.table.truth == data.table.choice).mean()
    assert scored.figures["fraction_correct_subject"] == pytest.approx(right)


# --- layers ---------------------------------------------------------------------------------------


def two_layers(world):
    noise = np.random.default_rng(9).standard_normal((N, FEATURES))
    return model_of(
        world,
        responses={"noise": noise[:, :, None], "top": world[0][:, :, None]},
        areas={BEHAVIOR: ["noise", "top"]},
    )


def test_layer_is_selected_inside_the_training_images(world, data, scored):
    selected = score(benchmark(data), two_layers(world), Settings(seed=5))
    assert selected.selection.layer == "top"
    assert selected.value == pytest.approx(scored.value, abs=1e-9)
    worse, better = selected.selection.curve
    assert (worse["chosen_in_folds"], better["chosen_in_folds"]) == (0, 10)
    assert better["inner_mean"] > worse["inner_mean"] + 0.3


def test_brainscore_takes_one_layer(world, data):
    settings = Settings(protocol="brainscore")
    names = ("2 layers", "noise, top", "behavior=noise")
    assert_refused(benchmark(data), two_layers(world), *names, settings=settings)


def test_steps_are_averaged_over_the_window(world, data, scored):
    X = world[0]
    clock = Timeline(name="bins", source="test", steps={"top": [(0, 100), (100, 200)]})
    model = model_of(
        world,
        responses={"top": np.stack([np.zeros_like(X), X], axis=2)},
        clocks={"bins": clock},
        static=False,
    )
    late = score(replace(benchmark(data), window=(100, 200)), model, Settings(seed=5))
    assert late.value == pytest.approx(scored.value, abs=1e-9)


# --- designs --------------------------------------------------------------------------------------


def test_images_without_trials_serve_the_readout_alone(world, data, scored):
    """As published: most images only teach the read-out."""
    kept = data.table[data.table.stimulus_id.isin([f"im{k:02d}" for k in range(24)])]
    part = score(benchmark(replace(data, table=kept)), model_of(world), Settings(seed=5))
    assert part.figures["n_images"] == 24
    assert part.n_stimuli == N
    expected = scored.predictions.predicted.values[:24]
    np.testing.assert_allclose(part.predictions.predicted.values, expected)
    selected = score(benchmark(replace(data, table=kept)), two_layers(world), Settings(seed=5))
    assert selected.selection.layer == "top"


def test_unseen_cells_are_counted(world, data):
    first = data.table.stimulus_id.iloc[0]
    gone = (data.table.stimulus_id == first) & (data.table.distractor != data.table.truth.iloc[0])
    names = data.table.distractor[gone].unique()
    kept = data.table[~(gone & (data.table.distractor == names[0]))]
    scored = score(benchmark(replace(data, table=kept)), model_of(world))
    assert scored.figures["cells_without_trials"] == 1
    assert scored.excluded == {"no trials": 1}
    assert scored.n_units == N * (OBJECTS - 1) - 1


def test_one_trial_of_each_cell_has_a_raw_figure_and_no_ceiling(world, data):
    _, ids, objects, fraction = world
    few = replace(data, table=two_way_trials(fraction, ids, objects, n=1))
    scored = score(benchmark(few), model_of(world))
    assert scored.ceiling is None
    assert np.isfinite(scored.value)
    assert scored.n_excluded == sum(scored.excluded.values())
    ceiled = score(benchmark(few), model_of(world), Settings(formula="r/sqrt(c)"))
    assert ceiled.value is None
    assert "halves of the trials share too few cells" in ceiled.reason
    brainscore = score(benchmark(few), model_of(world), Settings(protocol="brainscore"))
    assert brainscore.value is None
    assert "halves of the trials share too few cells" in brainscore.reason


def test_halves_without_a_correlation_are_not_said_to_be_all_trials(world, data):
    first = data.table.groupby(["stimulus_id", "distractor"]).head(1)
    single = benchmark(replace(data, table=first))
    scored = score(single, model_of(world), Settings(protocol="brainscore"))
    assert scored.value is None
    assert scored.figures["cells_used"] > 100
    assert f"{scored.figures['cells_used']} of 144 cells, 144 trials: in a half" in scored.reason
    assert score(single, model_of(world)).reason is None  # over all trials


def test_a_single_trial_has_no_halves_for_brainscore(world, data):
    single = benchmark(replace(data, table=data.table.iloc[:1]))
    scored = score(single, model_of(world), Settings(protocol="brainscore"))
    assert (scored.value, scored.raw, scored.ceiling) == (None, None, None)
    assert "halves of 1 trial" in scored.reason
    assert scored.figures["i1"] is None
    assert "no correlation over" in score(single, model_of(world)).reason


def test_perfect_subject_gives_a_reason(world, data):
    perfect = data.table.assign(choice=data.table.truth)
    scored = score(benchmark(replace(data, table=perfect)), model_of(world))
    assert (scored.status, scored.value) == ("failed", None)
    assert "no correlation over" in scored.reason


def test_noise_has_no_positive_ceiling(world, data):
    _, ids, objects, fraction = world
    chance = np.where(np.isnan(fraction), np.nan, 0.5)
    reasons = []
    for seed in range(4):
        table = two_way_trials(chance, ids, objects, n=2, seed=seed)
        noisy = benchmark(replace(data, table=table), n_simulated=20)
        reasons.append(score(noisy, model_of(world), Settings(formula="r/sqrt(c)")).reason)
    assert any("is not positive" in (reason or "") for reason in reasons)


def test_limit_takes_trials_of_the_images_in_use(world, data):
    scored = score(benchmark(data), model_of(world), Settings(limit=24))
    assert scored.figures["n_images"] == 24
    assert scored.record.choices["splits"] == 6  # six images of each object


# --- bad input ------------------------------------------------------------------------------------


def test_bad_data(world, data):
    _, ids, objects, _ = world
    model, table = model_of(world), data.table
    silent = ArrayData(name="Silent", pictures=data.pictures, regions={})
    assert_refused(benchmark(silent), model, "Silent", "Known.behavior", "trials()")
    assert_refused(benchmark(replace(data, pictures=pictures(ids))), model, "object_name")
    alike = replace(data, pictures=pictures(ids, object_name=np.full(N, "cat")))
    assert_refused(benchmark(alike), model, "one object, cat")
    rare = np.where(np.arange(N) == 0, "owl", objects)
    one_owl = replace(data, pictures=pictures(ids, object_name=rare))
    assert_refused(benchmark(one_owl), model, "5 objects", "images of owl: 1")
    turned = replace(data, pictures=pictures(ids, object_name=np.roll(objects, 1)))
    assert_refused(benchmark(turned), model, "trials say that 'im")
    strange = table.assign(stimulus_id=table.stimulus_id.replace("im00", "im99"))
    assert_refused(benchmark(replace(data, table=strange)), model, "stimulus_id 'im99'")
    narrow = table.drop(columns="choice")
    assert_refused(benchmark(replace(data, table=narrow)), model, "columns choice")
    assert_refused(benchmark(replace(data, table=table.iloc[:0])), model, "0 stimulus_id")


@pytest.mark.parametrize("column", ["stimulus_id", "truth", "distractor", "choice"])
@pytest.mark.parametrize("limit", [None, 24])
def test_trials_with_a_name_missing(world, data, column, limit):
    table = data.table.copy()
    table.loc[::3, column] = None
    gaps, settings = benchmark(replace(data, table=table)), Settings(limit=limit)
    counts = len(table.iloc[::3]), len(table)
    assert_refused(gaps, model_of(world), column, *counts, settings=settings)


def test_layer_that_does_not_vary(world, data):
    assert_refused(benchmark(data), model_of(world, np.ones((N, FEATURES))), "48 images")
