"""The road from a subject's choices and a model's behavior layer to a Score."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
from known import Known
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from brainbench.core import stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.model import BEHAVIOR
from brainbench.core.presentation import CONSTANT
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.data.arrays import ArrayData
from brainbench.metrics.behavior.i2n import correlation, d_prime, normalized, two_way
from brainbench.metrics.behavior.trials import encode, fraction_correct, halves
from brainbench.metrics.classification.logistic_regression import ReadoutOptions
from brainbench.scoring.behavior.i2n import I2n
from brainbench.stats.ceiling import spearman_brown

OBJECTS, EACH, FEATURES = 4, 12, 10
N = OBJECTS * EACH
STRONG = ReadoutOptions(C=0.1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen(ArrayData):
    """Arrays with a table of choices."""

    table: pd.DataFrame

    def trials(self):
        return self.table


def pictures(ids, objects):
    shown = np.random.default_rng(0).integers(0, 256, (len(ids), 4, 4, 3), dtype=np.uint8)
    columns = {} if objects is None else {"object_name": objects}
    return stimuli.from_arrays("known", shown, ids=ids, metadata=columns)


def table_of(fraction, ids, objects, *, n=40, seed=0):
    """Trials of a subject that is right with the probability `fraction` in each cell."""
    rng = np.random.default_rng(seed)
    names = np.unique(objects)
    image, other = (np.repeat(one, n) for one in np.nonzero(np.isfinite(fraction)))
    right = rng.random(len(image)) < fraction[image, other]
    return pd.DataFrame(
        {
            "stimulus_id": np.array(ids)[image],
            "truth": objects[image],
            "distractor": names[other],
            "choice": np.where(right, objects[image], names[other]),
            "subject": "one",
        }
    )


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
    return Chosen(
        name="Known",
        pictures=pictures(ids, objects),
        regions={},
        table=table_of(fraction, ids, objects),
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
    return Benchmark(
        identifier="Known.behavior-i2n",
        version=1,
        data=data,
        region=BEHAVIOR,
        window=(70, 170),
        presentation=CONSTANT,
        measure=I2n(**{"readout": STRONG, **options}),
        metric="I2n",
        ceiling="halves",
        citation="nobody",
    )


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
    trials, mine, matrix = slow(world, data.table, "paper", seed=5)
    assert scored.value == pytest.approx(float(correlation(mine, matrix(fraction_correct(trials)))))
    assert (scored.formula, scored.raw) == ("raw-v1", scored.value)
    assert scored.n_units == scored.figures["n_cells"] == N * (OBJECTS - 1)


def test_brainscore_equals_a_slow_program(world, data):
    scored = score(benchmark(data), model_of(world), Settings(protocol="brainscore"))
    trials, mine, matrix = slow(world, data.table, "brainscore", seed=0)
    r, c = [], []
    for pair in halves(len(trials)):
        one, other = (matrix(fraction_correct(trials, rows)) for rows in pair)
        r.append(float(correlation(mine, one)))
        c.append(float(correlation(one, other)))
    each = np.array(r) / np.sqrt(c)
    assert scored.raw == pytest.approx(np.mean(r))
    assert scored.ceiling == pytest.approx(np.mean(c))
    assert scored.value == pytest.approx(each.mean())
    assert scored.error == pytest.approx(each.std())
    assert scored.formula == "r/sqrt(c)-v1"


@pytest.mark.parametrize(("formula", "power"), [("r/c", 1.0), ("r/sqrt(c)", 0.5)])
def test_formula_is_named_and_used(world, data, formula, power):
    scored = score(benchmark(data), model_of(world), Settings(formula=formula))
    assert scored.value == pytest.approx(scored.raw / scored.ceiling**power)
    assert scored.formula == formula + "-v1"
    low, high = scored.ci
    assert low < scored.value < high


def test_ceiling_grows_with_the_trials(world, data, scored):
    _, ids, objects, fraction = world
    more = replace(data, table=table_of(fraction, ids, objects, n=400))
    many = score(benchmark(more), model_of(world), Settings(seed=5))
    assert 0.3 < scored.ceiling < many.ceiling < 1.0
    assert many.value > scored.value
    # Spearman-Brown foretells the reliability of ten times as many trials.
    single = scored.ceiling / (10 - 9 * scored.ceiling)
    assert many.ceiling == pytest.approx(100 * single / (1 + 99 * single), abs=0.03)
    assert spearman_brown(single) < scored.ceiling


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
    shuffled = replace(data, table=table_of(mixed, ids, objects))
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


def test_interval_and_draws(scored):
    assert len(scored.draws) == 1000
    low, high = scored.ci
    assert low < scored.value < high
    assert scored.ci_method.startswith("percentile bootstrap of images, read-out not refitted")
    assert scored.ci_method.endswith("centered on the value")  # its coverage is measured


@pytest.mark.parametrize(
    ("protocol", "formula", "known"),
    [
        ("paper", "r/sqrt(c)", True),
        ("brainscore", "r/sqrt(c)", True),
        ("paper", "r/c", False),
        ("brainscore", "raw", False),
    ],
)
def test_an_interval_whose_coverage_was_not_measured_is_approximate(
    world, data, protocol, formula, known
):
    settings = Settings(protocol=protocol, formula=formula)
    found = score(benchmark(data), model_of(world), settings)
    assert found.ci_method.endswith("approximate") != known


def test_draws_are_scores_of_the_drawn_images(world, data, scored):
    """One draw by hand: the images as often as they were drawn, everything computed again."""
    from brainbench.stats.bootstrap import image_counts

    table = scored.predictions
    counts = image_counts(table.stimulus_id.values.tolist(), n_draws=1000, seed=5)
    truth = np.searchsorted(table.choice.values, table.truth.values)
    drawn = []
    for count in counts[:5].astype(int):
        rows = np.repeat(np.arange(N), count)
        matrices = [
            normalized(d_prime(table[key].values[rows], truth[rows]), truth[rows])
            for key in ("predicted", "target")
        ]
        drawn.append(float(correlation(*matrices)))
    shift = scored.draws[:5] - drawn
    np.testing.assert_allclose(
        shift, shift[0], atol=1e-10
    )  # centered on the value, otherwise alike


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
        mine = scored.per_unit.values[scored.per_unit.coords["object_name"].values == name]
        assert mine.mean() == pytest.approx(0, abs=1e-9)


def test_record_and_figures(scored, data):
    record = scored.record
    assert record.layer == "top"
    assert record.seeds["splits"] == record.seeds["halves"] == 5
    assert record.choices["splits"] == 10
    assert record.choices["false_alarms"] == "all other images"
    assert scored.figures["n_trials"] == len(data.table)
    assert scored.figures["cells_without_trials"] == 0
    assert 0.5 < scored.figures["i1"] <= 1.0
    assert scored.figures["i1_ceiling"] > 0.5
    right = (data.table.truth == data.table.choice).mean()
    assert scored.figures["fraction_correct_subject"] == pytest.approx(right)


def test_score_survives_json(scored):
    again = Score.from_json(scored.to_json())
    assert again.figures == scored.figures
    np.testing.assert_array_equal(again.draws, scored.draws)
    np.testing.assert_array_equal(again.per_unit.values, scored.per_unit.values)


def test_what_cannot_be_resampled_or_floored_is_noted(world, data):
    scored = score(benchmark(data), model_of(world), Settings(resample="units", floor=0.3))
    assert scored.ci is None
    assert scored.draws is None
    assert scored.value is not None
    assert any("no units to draw again" in note for note in scored.record.notes)
    assert any("floor not used" in note for note in scored.record.notes)


# --- layers ---------------------------------------------------------------------------------------


def two_layers(world):
    noise = np.random.default_rng(9).standard_normal((N, FEATURES))
    return model_of(
        world,
        responses={"noise": noise[:, :, None], "top": world[0][:, :, None]},
        areas={BEHAVIOR: ["noise", "top"]},
    )


def test_layer_is_chosen_inside_the_training_images(world, data, scored):
    chosen = score(benchmark(data), two_layers(world), Settings(seed=5))
    assert chosen.selection.layer == "top"
    assert chosen.value == pytest.approx(scored.value, abs=1e-9)
    worse, better = chosen.selection.curve
    assert (worse["chosen_in_folds"], better["chosen_in_folds"]) == (0, 10)
    assert better["inner_mean"] > worse["inner_mean"] + 0.3


def test_user_chooses_a_layer(world, data):
    scored = score(benchmark(data), two_layers(world), Settings(layers={BEHAVIOR: "noise"}))
    assert scored.selection.layer == "noise"
    assert scored.value < 0.3


def test_brainscore_takes_one_layer(world, data):
    with pytest.raises(InputError, match="has 2 layers for behavior"):
        score(benchmark(data), two_layers(world), Settings(protocol="brainscore"))


def test_model_without_a_behavior_layer(world, data):
    with pytest.raises(NotApplicableError, match="stands for behavior"):
        score(benchmark(data), model_of(world, areas={"IT": ["top"]}))


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
    score24 = score(benchmark(replace(data, table=kept)), model_of(world), Settings(seed=5))
    assert score24.figures["n_images"] == 24
    assert score24.n_stimuli == N
    mine = scored.predictions.predicted.values[:24]
    np.testing.assert_allclose(score24.predictions.predicted.values, mine)
    chosen = score(benchmark(replace(data, table=kept)), two_layers(world), Settings(seed=5))
    assert chosen.selection.layer == "top"


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
    few = replace(data, table=table_of(fraction, ids, objects, n=1))
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
    one = benchmark(replace(data, table=first))
    scored = score(one, model_of(world), Settings(protocol="brainscore"))
    assert scored.value is None
    assert scored.figures["cells_used"] > 100
    assert scored.reason.startswith(
        f"no correlation with random halves of the trials, of {scored.figures['cells_used']} of 144 "
        "cells, 144 trials: in a half: fewer than two cells have a d' on both sides"
    )
    assert score(one, model_of(world)).reason is None  # over all trials


def test_a_single_trial_has_no_halves_for_brainscore(world, data):
    one = benchmark(replace(data, table=data.table.iloc[:1]))
    scored = score(one, model_of(world), Settings(protocol="brainscore"))
    assert (scored.value, scored.raw, scored.ceiling) == (None, None, None)
    assert scored.reason == (
        "no halves of 1 trial: the protocol brainscore with r/sqrt(c) needs at least two"
    )
    assert scored.figures["i1"] is None
    assert "no correlation over" in score(one, model_of(world)).reason


def test_perfect_subject_gives_a_reason(world, data):
    perfect = data.table.assign(choice=data.table.truth)
    scored = score(benchmark(replace(data, table=perfect)), model_of(world))
    assert scored.value is None
    assert "no correlation over" in scored.reason
    assert "the same for all images" in scored.reason


def test_noise_has_no_positive_ceiling(world, data):
    _, ids, objects, fraction = world
    chance = np.where(np.isnan(fraction), np.nan, 0.5)
    reasons = []
    for seed in range(4):
        table = table_of(chance, ids, objects, n=2, seed=seed)
        one = benchmark(replace(data, table=table))
        reasons.append(score(one, model_of(world), Settings(formula="r/sqrt(c)")).reason)
    assert any("is not positive" in (reason or "") for reason in reasons)


def test_limit_takes_trials_of_the_images_in_use(world, data):
    scored = score(benchmark(data), model_of(world), Settings(limit=24))
    assert (scored.partial, scored.n_stimuli, scored.figures["n_images"]) == (True, 24, 24)
    assert scored.record.choices["splits"] == 6  # six images of each object


def test_needs(world, data):
    needs = benchmark(data).needs(model_of(world), Settings(limit=24))
    assert (len(needs.stimuli), needs.layers) == (24, ("top",))


def test_work_grows_with_features_and_candidates(data):
    procedure = benchmark(data).measure
    assert isinstance(procedure, Foreseeing)
    sizes = Sizes(
        stimuli=320, units=1, repetitions=1, bins=1, features=(512,), steps=(1,), nominal=False
    )
    small, wide, several = (
        procedure.work(one, Settings())
        for one in (
            sizes,
            replace(sizes, features=(50_000,)),
            replace(sizes, features=(512, 512), steps=(1, 1)),
        )
    )
    assert small.flops < wide.flops
    assert several.flops == pytest.approx(
        12 * small.flops
    )  # two candidates, five inner folds beside the outer
    assert wide.read_bytes > small.read_bytes
    assert small.memory_bytes < 2e9


# --- bad input ------------------------------------------------------------------------------------


def test_data_without_choices(world, data):
    silent = ArrayData(name="Silent", pictures=data.pictures, regions={})
    with pytest.raises(InputError, match=r"'Silent' for Known.behavior-i2n has no trials\(\)"):
        score(benchmark(silent), model_of(world))


def test_stimuli_without_objects(world, data):
    nameless = replace(data, pictures=pictures(world[1], None))
    with pytest.raises(InputError, match="a column object_name"):
        score(benchmark(nameless), model_of(world))


def test_one_object(world, data):
    alike = replace(data, pictures=pictures(world[1], np.full(N, "cat")))
    with pytest.raises(InputError, match="1 objects, and 48 images of cat"):
        score(benchmark(alike), model_of(world))


def test_one_image_of_an_object(world, data):
    objects = world[2].copy()
    objects[0] = "owl"
    with pytest.raises(InputError, match="1 images of owl"):
        score(benchmark(replace(data, pictures=pictures(world[1], objects))), model_of(world))


def test_trials_that_contradict_the_stimuli(world, data):
    objects = np.roll(world[2], 1)
    with pytest.raises(InputError, match=r"trials say that 'im\d\d' shows"):
        score(benchmark(replace(data, pictures=pictures(world[1], objects))), model_of(world))


def test_trials_of_other_images(world, data):
    strange = data.table.assign(stimulus_id=data.table.stimulus_id.replace("im00", "im99"))
    with pytest.raises(InputError, match="trials with the stimulus_id 'im99'"):
        score(benchmark(replace(data, table=strange)), model_of(world))


def test_trials_without_a_column(world, data):
    with pytest.raises(InputError, match="trials without the columns choice"):
        score(benchmark(replace(data, table=data.table.drop(columns="choice"))), model_of(world))


@pytest.mark.parametrize("column", ["stimulus_id", "truth", "distractor", "choice"])
@pytest.mark.parametrize("limit", [None, 24])
def test_trials_with_a_name_missing(world, data, column, limit):
    table = data.table.copy()
    table.loc[::3, column] = None
    told = f"{len(table.iloc[::3])} without {column} among {len(table)} trials"
    with pytest.raises(InputError, match=told):
        score(benchmark(replace(data, table=table)), model_of(world), Settings(limit=limit))


def test_no_trials(world, data):
    with pytest.raises(InputError, match="0 stimulus_id"):
        score(benchmark(replace(data, table=data.table.iloc[:0])), model_of(world))


def test_layer_that_does_not_vary(world, data):
    with pytest.raises(InputError, match="the same for all 48 images"):
        score(benchmark(data), model_of(world, np.ones((N, FEATURES))))
