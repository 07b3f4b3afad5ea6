"""Object solution times: from activations and solution times of a brain to a Score."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from damages import DAMAGES
from known import Known
from recorded_notes import RecordedNotes
from scipy.stats import spearmanr
from subjects import SolvingData

from brainbench.core import assembly, progress, stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import HasSolutionTimes
from brainbench.core.errors import ActivationError, InputError
from brainbench.core.model import check_model
from brainbench.core.presentation import Presentation
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.data.arrays import ArrayData
from brainbench.metrics.solution_times.concordance import concordance
from brainbench.metrics.solution_times.decoder import (
    Decoder,
    decode,
    decode_sensitivity,
    held_out_sensitivity,
)
from brainbench.metrics.solution_times.solution_times import agreement, solution_times
from brainbench.scoring.context import ModelRun, Run, RunContext
from brainbench.scoring.pipeline import score
from brainbench.scoring.solution_times import evaluation, measure, trial_halves
from brainbench.scoring.solution_times.evaluation import CONVENTION
from brainbench.scoring.solution_times.measure import SolutionTimes
from brainbench.scoring.solution_times.model_times import decode_model
from brainbench.scoring.solution_times.target import BrainTimes
from brainbench.stats.ceiling import half_means, spearman_brown
from brainbench.stats.splits import brainscore, paper

OBJECTS, EACH, P, SPLITS, HALVES = 4, 20, 12, 5, 2
N = OBJECTS * EACH
BINS = [(70.0 + 10 * k, 80.0 + 10 * k) for k in range(18)]
CLOCK = Timeline(name="bins", source="test", steps={"IT": BINS})
IDS = [f"im{(7 * k) % N:03d}" for k in range(N)]
LABELS = np.array([f"obj{k % OBJECTS}" for k in range(N)])
SORTED = np.argsort(IDS)


def world(seed=0, *, noise=0.3):
    """Features in which each image's object appears at a time of its own: image x unit x bin."""
    rng = np.random.default_rng(seed)
    onset = np.random.default_rng(1).uniform(90, 200, N)
    starts = np.array([start for start, _ in BINS])
    shown = 1 / (1 + np.exp(-(starts - onset[:, None]) / 12))
    centers = 1.5 * np.random.default_rng(2).standard_normal((OBJECTS, P))
    signal = centers[np.arange(N) % OBJECTS][:, :, None] * shown[:, None]
    return signal + noise * rng.standard_normal((N, P, 1)), onset


def table_of(ost, i1=1.0, ids=IDS):
    return pd.DataFrame({"stimulus_id": ids, "i1": np.full(len(ids), i1), "ost": ost})


def data_of(table, *, trials=None, labels=LABELS, columns=("object_name",)):
    pictures = np.random.default_rng(0).integers(0, 256, (N, 4, 4, 3), dtype=np.uint8)
    metadata = {"object_name": labels} if columns else {}
    shown = stimuli.from_arrays("known", pictures, ids=IDS, metadata=metadata)
    regions = {}
    if trials is not None:
        regions["IT"] = assembly.make(
            trials,
            stimulus={"stimulus_id": IDS},
            neuroid={"neuroid_id": [f"site{k}" for k in range(trials.shape[2])]},
            repetitions=True,
            time=BINS,
            units="spikes",
        )
    return SolvingData(name="Known", pictures=shown, regions=regions, table=table)


def benchmark(data, *, window=(70, 250), **options):
    return Benchmark(
        identifier="Known.IT-ost",
        version=1,
        data=data,
        region="IT",
        window=window,
        presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
        measure=SolutionTimes(
            **{"decoder": "converged", "n_splits": SPLITS, "n_halves": HALVES, **options}
        ),
        metric="Spearman r",
        ceiling="split-half",
        citation="nobody",
    )


def model_of(X, *, clock=CLOCK, layers=("IT",), responses=None, **more):
    options = {"static": False, "name": "known", **more}
    return Known(
        responses=responses or {"IT": X},
        ids=IDS,
        areas={"IT": list(layers)},
        clocks={clock.name: clock},
        **options,
    )


def trials_of(signal, n=6, noise=0.5, seed=5):
    return signal + noise * np.random.default_rng(seed).standard_normal((n, *signal.shape))


@pytest.fixture(scope="module")
def scored():
    """A model that sees what the brain's times come from, and its score under `paper`."""
    X, onset = world()
    data = data_of(table_of(onset + 10), trials=trials_of(X))
    return X, onset, data, score(benchmark(data), model_of(X), Settings(seed=3))


def by_hand(X, times, i1=1.0, *, seed=3):
    """The same figure from the functions on arrays."""
    ids = np.array(IDS)[SORTED]
    folds = paper(ids, LABELS[SORTED], n_splits=SPLITS, seed=seed)
    bins = [X[SORTED][:, :, k] for k in range(X.shape[2])]
    found = decode_sensitivity(bins, LABELS[SORTED], folds, decoder=Decoder(name="converged"))
    mine = solution_times(found.sensitivity, np.full(N, i1), np.array(BINS))
    return mine, float(agreement([(np.arange(N), mine)], times[SORTED])[0])


def test_paper_is_one_spearman_over_the_images_of_all_folds(scored):
    X, onset, data, result = scored
    assert isinstance(data, HasSolutionTimes)
    mine, r = by_hand(X, onset + 10)
    assert result.value == result.raw == pytest.approx(r, abs=1e-12)
    assert result.formula == "raw-v1"
    assert r == pytest.approx(spearmanr(mine, onset[SORTED], nan_policy="omit").statistic)
    np.testing.assert_allclose(result.per_unit.values, mine)
    assert result.per_unit.dims == ("stimulus",)
    np.testing.assert_allclose(result.per_unit.coords["brain"].values, onset[SORTED] + 10)


def test_what_the_brain_knows_the_model_reaches(scored):
    assert scored[3].value > 0.8


def test_figures_and_counts(scored):
    _, _, _, result = scored
    figures = result.figures
    assert figures["images_used"] == result.n_units == N - result.n_excluded
    assert result.n_excluded == sum(result.excluded.values())
    assert 0.5 < figures["fraction_solved"] <= 1
    assert figures["fraction_solved_brain"] == 1.0
    assert figures["raw_over_convention"] == pytest.approx(result.raw / CONVENTION)
    assert figures["ceiling_convention"]["name"] == "Kar 2019 / Brain-Score convention"
    assert len(figures["accuracy_by_bin"]) == len(figures["sensitivity_by_bin"]) == len(BINS)
    assert figures["accuracy_by_bin"][-1] > figures["accuracy_by_bin"][0] + 0.3
    assert result.selection.curve == (
        {"layer": "IT", "inner_mean": None, "inner_sd": None, "chosen_in_folds": SPLITS},
    )


def test_predictions_are_the_times_of_held_out_images(scored):
    _, onset, _, result = scored
    predictions = result.predictions
    assert predictions["predicted"].dims == ("sample",)
    assert sorted(predictions["stimulus_id"].values) == sorted(IDS)
    np.testing.assert_array_equal(np.bincount(predictions["fold"].values), [N // SPLITS] * SPLITS)
    np.testing.assert_allclose(predictions["target"].values, onset[SORTED] + 10)
    again = spearmanr(predictions["predicted"], predictions["target"], nan_policy="omit")
    assert again.statistic == pytest.approx(result.raw)


def test_figure_and_ceiling_are_computed_once(scored, monkeypatch):
    """Beside the draws of the interval; of the raw figure these need no ceiling."""
    X, _, data, expected = scored
    calls = {"agreement": 0, "reliability": 0}
    reliability = BrainTimes.reliability

    def counted_agreement(parts, times, *, counts=None):
        calls["agreement"] += counts is None
        return agreement(parts, times, counts=counts)

    def counted_reliability(self, counts=None):
        calls["reliability"] += 1
        return reliability(self, counts)

    monkeypatch.setattr(evaluation, "agreement", counted_agreement)
    monkeypatch.setattr(BrainTimes, "reliability", counted_reliability)
    result = score(benchmark(data), model_of(X), Settings(seed=3, null="none"))
    assert (result.value, result.ceiling) == (expected.value, expected.ceiling)
    assert calls == {"agreement": 1, "reliability": 1}


def test_ceiling_is_the_agreement_of_halves_of_the_trials(scored):
    _, _, data, result = scored
    trials = data.recordings("IT").values
    halves = half_means(trials, n_splits=HALVES)
    r = []
    for one, other in zip(*halves, strict=True):
        (a, _), (b, _) = by_hand(one, np.zeros(N)), by_hand(other, np.zeros(N))
        r.append(spearmanr(a, b, nan_policy="omit").statistic)
    assert result.ceiling == pytest.approx(float(np.mean(spearman_brown(r))), abs=1e-9)
    assert "halves of the trials" in result.record.choices["ceiling"]


def test_halves_are_decoded_once_for_all_models(cache_folder, monkeypatch):
    X, onset = world()
    data = data_of(table_of(onset), trials=trials_of(X, n=2))
    first = score(benchmark(data), model_of(X))

    def never(*_args, **_options):
        raise AssertionError("decoded again")

    other = data_of(table_of(onset, 0.9), trials=trials_of(X, n=2))
    monkeypatch.setattr(trial_halves, "decode_sensitivity", never)
    assert score(benchmark(data), model_of(X[:, ::-1])).ceiling == first.ceiling
    with pytest.raises(AssertionError, match="decoded again"):
        score(benchmark(other), model_of(X))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a bit at 0.9 of the file", "half a file"])
def test_damaged_halves_are_decoded_again(cache_folder, name):
    X, onset = world()
    data = data_of(table_of(onset), trials=trials_of(X, n=2))
    first = score(benchmark(data), model_of(X))
    (path,) = (cache_folder / "solution-times").iterdir()
    DAMAGES[name](path, path)
    notes = RecordedNotes()
    with progress.use(notes):
        assert score(benchmark(data), model_of(X)).ceiling == first.ceiling
    assert any(str(path) in note for note in notes.notes)


def test_stored_halves_depend_on_the_version_of_the_decoder(cache_folder, monkeypatch):
    X, onset = world()
    data = data_of(table_of(onset), trials=trials_of(X, n=2))
    score(benchmark(data), model_of(X))

    def never(*_args, **_options):
        raise AssertionError("decoded again")

    monkeypatch.setattr(trial_halves, "decode_sensitivity", never)
    score(benchmark(data), model_of(X))
    monkeypatch.setattr(trial_halves, "VERSION", trial_halves.VERSION + 1)
    with pytest.raises(AssertionError, match="decoded again"):
        score(benchmark(data), model_of(X))


def test_brainscore_is_the_mean_over_unstratified_splits(scored):
    X, onset, data, _ = scored
    result = score(benchmark(data), model_of(X), Settings(protocol="brainscore"))
    splits = brainscore(np.array(IDS)[SORTED], n_splits=SPLITS)
    bins = [X[SORTED][:, :, k] for k in range(18)]
    r = []
    labels, converged = LABELS[SORTED], Decoder(name="converged")
    by_split = zip(*decode(bins, labels, splits, decoder=converged), strict=True)
    decoded = held_out_sensitivity(
        [np.stack(p) for p in by_split], labels, splits, together=False, false_alarms="brainscore"
    )
    for one, split in zip(decoded, splits, strict=True):
        mine = solution_times(one.sensitivity, np.ones(len(one.rows)), np.array(BINS))
        r.append(spearmanr(mine, onset[SORTED][split.test], nan_policy="omit").statistic)
    assert result.raw == pytest.approx(np.mean(r))
    assert result.formula == "r/c-v1"
    assert result.value == pytest.approx(result.raw / 0.79)
    assert result.error == pytest.approx(np.std(r) / SPLITS**0.5 / 0.79)
    assert result.excluded["never held out"] == N - len(
        set(np.concatenate([s.test for s in splits]))
    )
    assert result.record.seeds["splits"] == 1


def test_brainscore_divides_by_its_convention_whatever_the_trials_say(scored):
    X, _, data, paper_score = scored
    result = score(benchmark(data), model_of(X), Settings(protocol="brainscore", seed=3))
    assert result.ceiling == CONVENTION
    assert result.record.choices["ceiling"] == "0.79, Kar 2019 / Brain-Score convention"
    assert result.figures["ceiling"]["value"] == CONVENTION
    assert result.figures["ceiling_split_half"] == paper_score.ceiling != CONVENTION
    assert paper_score.figures["ceiling_split_half"] == paper_score.figures["ceiling"]["value"]
    settings = Settings(protocol="brainscore", seed=3, formula="raw")
    raw = score(benchmark(data), model_of(X), settings)
    np.testing.assert_allclose(result.draws, raw.draws / CONVENTION)


def test_order_of_the_table_and_of_the_images_does_not_matter(scored):
    X, onset, _, result = scored
    table = table_of(onset + 10).sample(frac=1, random_state=0)
    again = score(benchmark(data_of(table)), model_of(X), Settings(seed=3))
    assert again.value == result.value


def test_images_that_a_side_does_not_solve_are_left_out_and_counted():
    X, onset = world()
    ost, i1 = onset.copy(), np.ones(N)
    ost[:7] = np.nan
    i1[5:20] = 99.0
    result = score(benchmark(data_of(table_of(ost, i1))), model_of(X))
    assert result.excluded["not solved by the brain"] >= 1
    assert result.excluded["not solved by the model"] >= 12
    assert result.excluded["solved by neither"] == 2
    assert result.n_units + result.n_excluded == N


def test_images_without_a_threshold_are_counted():
    X, onset = world()
    i1 = np.ones(N)
    i1[:4] = np.nan
    result = score(benchmark(data_of(table_of(onset, i1))), model_of(X))
    assert result.figures["thresholds_missing"] == 4
    assert result.n_units <= N - 4


# ---- static models ---------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
@pytest.mark.parametrize("kind", ["declared", "one step", "steps that are equal", "one span"])
def test_a_static_model_scores_zero(kind, protocol):
    X, onset = world()
    data = data_of(table_of(onset), trials=trials_of(X, n=2))
    constant = np.repeat(X[:, :, -1:], 18, axis=2)
    model = {
        "declared": model_of(X[:, :, -1:], static=True),
        "one step": model_of(X[:, :, -1:]),
        "steps that are equal": model_of(constant),
        "one span": model_of(
            X[:, :, :2],
            clock=Timeline(name="late", source="test", steps={"IT": [(0, 300), (300, 400)]}),
        ),
    }[kind]
    result = score(benchmark(data), model, Settings(protocol=protocol, null="images", null_draws=9))
    assert (result.value, result.raw, result.ci) == (0.0, 0.0, (0.0, 0.0))
    assert result.reason is None
    assert result.figures["reason"] == "static model"
    assert result.figures["fraction_solved"] is None  # nothing was decoded
    assert result.excluded == {"static model": N}
    assert any("static model" in note for note in result.record.notes)
    assert not result.draws.any()
    assert (result.null["p"], result.null["n_draws"], result.null["n_undefined"]) == (1.0, 9, 0)
    assert (result.null["mean"], result.null["sd"], result.null["resolution"]) == (0.0, 0.0, 0.1)
    assert 0 < result.ceiling < 1


def test_a_square_wave_that_solves_every_image_at_once_scores_zero():
    """As a feed-forward network under a pulse: on from before the first bin, then blank."""
    X, onset = world()
    wave = np.concatenate([np.repeat(X[:, :, -1:], 6, axis=2), np.zeros_like(X[:, :, :12])], axis=2)
    settings = Settings(null="images", null_draws=9)
    result = score(benchmark(data_of(table_of(onset))), model_of(wave), settings)
    assert (result.value, result.ci, result.reason) == (0.0, (0.0, 0.0), None)
    used = result.figures["images_used"]
    assert used > N / 2
    assert result.figures["reason"] == f"all {used} images that both solve are solved at 70 ms"
    assert result.figures["fraction_solved"] == pytest.approx(used / N)
    assert result.n_units == used
    assert result.null["p"] == 1.0


def test_a_nominal_clock_is_expanded_by_its_spans():
    """Two states, the first before 150 ms: images are solved at 70, between 140 and 150, or never."""
    X, onset = world()
    two = X[:, :, [5, 17]]
    clock = Timeline(
        name="paper", source="test", steps={"IT": [(0, 150), (150, 300)]}, nominal=True
    )
    result = score(benchmark(data_of(table_of(onset))), model_of(two, clock=clock))
    times = result.per_unit.values
    early = times == 70.0
    rest = times[~early & ~np.isnan(times)]
    assert early.any()
    assert len(rest)
    # The line starts at the first of the equal early bins.
    assert ((rest > 70) & (rest <= 150)).all()
    assert result.figures["states"] == 2
    assert len(set(result.figures["accuracy_by_bin"][:8])) == 1
    assert result.value > 0.3


# ---- choices, nulls, settings ----------------------------------------------------------------------


def two_layers(**responses):
    return model_of(
        None,
        layers=tuple(responses),
        responses=responses,
        clock=Timeline(name="b", source="test", steps=dict.fromkeys(responses, BINS)),
    )


def test_of_several_layers_the_one_that_recognizes_most_objects_is_taken():
    X, onset = world()
    blurred = X + 3.0 * np.random.default_rng(0).standard_normal(X.shape)
    model = two_layers(blurred=blurred, IT=X)
    data = data_of(table_of(onset))
    result = score(benchmark(data), model)
    assert result.selection.layer == "IT"
    worse, better = result.selection.curve
    assert (worse["chosen_in_folds"], better["chosen_in_folds"]) == (0, SPLITS)
    assert better["inner_mean"] > worse["inner_mean"] + 0.2
    assert result.value == score(benchmark(data), model_of(X)).value
    with pytest.raises(InputError, match="2 layers for IT"):
        score(benchmark(data), model, Settings(protocol="brainscore"))


def brain_and_layers(layers, onset=1.0):
    """The brain's side, and the layers of a model."""
    context = RunContext(
        benchmark=benchmark(data_of(table_of(onset))),
        run=Run(Settings()),
        model_run=ModelRun(check_model(two_layers(**layers), name="known")),
    )
    brain = context.benchmark.measure.target(context)
    return brain, context.benchmark.measure.candidates(context, brain)


def layers_of_folds(brain, candidates, folds):
    decoded = decode_model(
        candidates,
        brain,
        folds,
        Decoder(name="converged"),
        together=False,
        false_alarms="paper",
    )
    return decoded.selection.best.tolist(), decoded.selection.curve()


def test_the_layer_of_a_fold_does_not_depend_on_its_test_images():
    """Two layers as good as each other, so that any look at a test image would tip the choice somewhere."""
    rng = np.random.default_rng(0)
    X, _ = world(noise=2.0)
    layers = {key: X + rng.standard_normal(X.shape) for key in ("one", "other")}
    brain, candidates = brain_and_layers(layers)
    folds = paper(brain.stimuli.ids, brain.strata, n_splits=SPLITS)
    best, curve = layers_of_folds(brain, candidates, folds)
    assert 0 < sum(best) < SPLITS
    assert [row["chosen_in_folds"] for row in curve] == [SPLITS - sum(best), sum(best)]
    for k, fold in enumerate(folds):
        changed = {key: values.copy() for key, values in layers.items()}
        changed["one"][SORTED[fold.test]] = 1e3 * rng.standard_normal((len(fold.test), P, 18))
        again, _ = layers_of_folds(brain, brain_and_layers(changed)[1], [fold])
        assert again == [best[k]]


def test_each_fold_is_decoded_from_its_own_layer():
    X, onset = world(noise=2.0)
    rng = np.random.default_rng(0)
    layers = {key: X + rng.standard_normal(X.shape) for key in ("one", "other")}
    brain, candidates = brain_and_layers(layers, onset)
    folds = paper(brain.stimuli.ids, brain.strata, n_splits=SPLITS)
    best, _ = layers_of_folds(brain, candidates, folds)
    assert 0 < sum(best) < SPLITS
    result = score(benchmark(data_of(table_of(onset))), two_layers(**layers))
    labels = LABELS[SORTED]
    by_layer = [
        zip(*decode(bins, labels, folds, decoder=Decoder(name="converged")), strict=True)
        for bins in ([values[SORTED][:, :, k] for k in range(18)] for values in layers.values())
    ]
    probabilities = [[np.stack(fold) for fold in decoded] for decoded in by_layer]
    (found,) = held_out_sensitivity(
        [probabilities[one][k] for k, one in enumerate(best)], labels, folds
    )
    times = solution_times(found.sensitivity, np.ones(N), np.array(BINS))
    np.testing.assert_allclose(result.per_unit.values, times, atol=1e-3)  # features in float32
    assert best.count(list(layers).index(result.selection.layer)) >= SPLITS / 2


def test_too_few_images_to_choose_a_layer_by():
    X, onset = world()
    labels = LABELS.copy()
    labels[:2] = "rare"
    data = data_of(table_of(onset), labels=labels)
    model = two_layers(one=X, other=X)
    with pytest.raises(InputError, match="1 of rare"):
        score(benchmark(data, n_splits=2), model)


def test_null_within_objects(scored):
    X, _, data, _ = scored
    settings = Settings(seed=3, null="within-object", null_draws=40)
    result = score(benchmark(data), model_of(X), settings)
    assert abs(result.null["mean"]) < 0.1
    assert 0.05 < result.null["sd"] < 0.25
    assert result.null["p"] == result.null["resolution"] == pytest.approx(1 / 41)


def test_thresholds_alone_can_order_images_and_the_null_says_so():
    """The higher a threshold, the later any rising sensitivity reaches it."""
    X, _ = world()
    i1 = np.random.default_rng(0).uniform(0.2, 2.0, N)
    times, _ = by_hand(X, np.zeros(N), 1.0)
    ost = 100 + 40 * i1[SORTED] + 0 * np.nan_to_num(times)
    table = table_of(ost, i1[SORTED], ids=np.array(IDS)[SORTED])
    result = score(benchmark(data_of(table)), model_of(X), Settings(null="images", null_draws=20))
    assert result.null["mean"] > 0.15


def test_folds_of_a_few_images_of_each_object_are_not_stratified(scored):
    X, _, data, _ = scored
    result = score(benchmark(data), model_of(X), Settings(limit=16))
    assert result.record.choices["stratified"] is False


def test_the_published_decoder_names_its_initializer():
    X, onset = world()
    data = data_of(table_of(onset, 0.01))
    found = {}
    for protocol in ("paper", "brainscore"):
        result = score(
            benchmark(data, decoder="published"), model_of(X), Settings(protocol=protocol)
        )
        found[protocol] = result.record.choices["initializer"]
    assert found == {"paper": "glorot_uniform", "brainscore": "truncated_normal"}


# ---- bad input -------------------------------------------------------------------------------------


def test_data_without_solution_times():
    X, _ = world()
    plain = ArrayData(name="Plain", pictures=data_of(table_of(0)).pictures, regions={})
    with pytest.raises(InputError, match="'Plain'"):
        score(benchmark(plain), model_of(X))


def test_thresholds_above_every_sensitivity():
    X, onset = world()
    data = data_of(table_of(onset, 9.0))
    with pytest.raises(InputError, match=r"known .* 80 images: thresholds from d' 9\.00"):
        score(benchmark(data), model_of(X))


@pytest.mark.parametrize(
    ("ost", "i1", "what"), [(np.nan, 1.0, "solution time"), (90.0, np.nan, "threshold")]
)
def test_a_brain_that_solves_nothing(ost, i1, what):
    X, _ = world()
    with pytest.raises(InputError, match=f"Known.IT-ost: no {what} .* 80 images"):
        score(benchmark(data_of(table_of(ost, i1))), model_of(X))


def test_times_that_are_all_equal_have_no_order():
    X, _ = world()
    with pytest.raises(InputError, match=r"known and the brain both solve \d+ of 80"):
        score(benchmark(data_of(table_of(100.0))), model_of(X))


def test_a_table_of_other_images():
    X, onset = world()
    with pytest.raises(InputError, match="1 of 80 images"):
        score(benchmark(data_of(table_of(onset).iloc[1:])), model_of(X))
    twice = pd.concat([table_of(onset), table_of(onset).iloc[:1]])
    with pytest.raises(InputError, match=IDS[0]):
        score(benchmark(data_of(twice)), model_of(X))
    with pytest.raises(InputError, match="'i1'"):
        score(benchmark(data_of(table_of(onset).drop(columns="i1"))), model_of(X))


@pytest.mark.parametrize("column", ["ost", "i1"])
def test_times_that_are_not_numbers(column):
    X, onset = world()
    table = table_of(onset).astype({column: object})
    table.loc[[3, 4], column] = ["late", None]
    with pytest.raises(InputError, match=f"1 of 80 values of {column} .* 'late' of '{IDS[3]}'"):
        score(benchmark(data_of(table)), model_of(X))


def test_numbers_as_text_are_numbers(scored):
    X, onset, _, result = scored
    table = table_of([repr(float(one)) for one in onset + 10])
    assert score(benchmark(data_of(table)), model_of(X), Settings(seed=3)).raw == result.raw


def test_stimuli_without_objects():
    X, onset = world()
    with pytest.raises(InputError, match="object_name"):
        score(benchmark(data_of(table_of(onset), columns=())), model_of(X))


def test_one_object():
    X, onset = world()
    data = data_of(table_of(onset), labels=np.full(N, "cat"))
    with pytest.raises(InputError, match="one class, cat"):
        score(benchmark(data), model_of(X))


def test_an_object_that_a_random_split_trains_without():
    X, onset = world()
    ids = np.array(IDS)[SORTED]
    rare = ids[brainscore(ids)[0].test[0]]
    labels = np.where(np.array(IDS) == rare, "rare", LABELS)
    with pytest.raises(InputError, match="0 of rare"):
        score(
            benchmark(data_of(table_of(onset), labels=labels)),
            model_of(X),
            Settings(protocol="brainscore"),
        )


def test_bins_that_do_not_fill_the_window():
    X, onset = world()
    with pytest.raises(InputError, match=r"70-250 ms of Known\.IT-ost .* 50 ms"):
        score(benchmark(data_of(table_of(onset)), bin_ms=50), model_of(X))


def test_bins_that_the_clock_does_not_cover():
    X, onset = world()
    with pytest.raises(InputError, match="250-260 ms"):
        score(benchmark(data_of(table_of(onset)), window=(70, 260)), model_of(X))
    short = Timeline(name="short", source="test", steps={"IT": BINS[:5]})
    with pytest.raises(ActivationError, match="18 steps"):
        score(benchmark(data_of(table_of(onset))), model_of(X, clock=short))


def gapped(onset, trials):
    """Data in which some trials are missing."""
    data = data_of(table_of(onset), trials=np.zeros_like(trials))
    declared = data.regions["IT"].copy(data=trials).assign_attrs(missing="nan")
    return replace(data, regions={"IT": declared})


@pytest.mark.parametrize("protocol", ["paper", "brainscore"])
def test_an_image_that_was_shown_once_costs_the_ceiling_not_the_score(scored, protocol):
    X, onset, whole, _ = scored
    trials = trials_of(X)
    trials[1:, 0] = np.nan
    data, settings = gapped(onset + 10, trials), Settings(seed=3, protocol=protocol)
    result = score(benchmark(data), model_of(X), settings)
    assert result.value == score(benchmark(whole), model_of(X), settings).value
    assert result.ceiling == (None if protocol == "paper" else CONVENTION)
    assert result.figures["ceiling_split_half"] is None
    told = (
        f"1 of {N} images without a trial of each site and bin in one half of the repetitions: "
        f"{HALVES} of {HALVES} halvings omitted"
    )
    assert f"ceiling: {told}" in result.record.notes
    if protocol == "paper":
        assert result.record.choices["ceiling"].startswith("none: no halves of the trials")
        ceiled = score(benchmark(data), model_of(X), replace(settings, formula="r/sqrt(c)"))
        assert (ceiled.value, ceiled.raw) == (None, result.raw)
        assert ceiled.reason == f"no ceiling, so no r/sqrt(c): {told}"


def test_a_bin_of_a_site_that_was_not_recorded_costs_the_ceiling(scored):
    X, onset, _, whole = scored
    trials = trials_of(X)
    trials[:, :, 2, 4] = np.nan
    result = score(benchmark(gapped(onset + 10, trials)), model_of(X), Settings(seed=3))
    assert (result.value, result.ceiling) == (whole.value, None)
    assert f"{N} of {N} images without a trial of each site and bin" in "".join(result.record.notes)


def test_halvings_without_a_gap_make_the_ceiling():
    X, onset = world()
    trials = trials_of(X)
    trials[2:, 5] = np.nan
    halves = half_means(np.where(np.arange(6)[:, None] < 2, 0.0, np.nan), n_splits=6)
    kept = ~np.isnan(halves).any(axis=(0, 2))
    assert 0 < kept.sum() < 6
    result = score(benchmark(gapped(onset, trials), n_halves=6), model_of(X))
    assert result.record.choices["ceiling"].startswith(f"{kept.sum()} halves of the trials")
    assert f"{(~kept).sum()} of 6 halvings omitted" in "".join(result.record.notes)
    assert result.ceiling > 0.5


def test_one_trial_has_no_halves():
    X, onset = world()
    data = data_of(table_of(onset), trials=trials_of(X, n=1))
    result = score(benchmark(data), model_of(X))
    assert result.figures["ceiling"]["source"].endswith("no trials")


def test_halves_that_disagree_give_no_ceiled_value(monkeypatch):
    X, onset = world()
    reversed_order = np.stack([onset, -onset])[:, None]
    monkeypatch.setattr(measure, "trial_halves", lambda *_, **__: (reversed_order, ""))
    data = data_of(table_of(onset))
    result = score(benchmark(data), model_of(X), Settings(formula="r/c"))
    assert (result.value, result.status, result.ceiling) == (None, "failed", None)
    assert "r/c" in result.reason
    assert result.raw > 0.8
    assert score(benchmark(data), model_of(X)).value == result.raw


def test_images_of_a_single_random_split():
    X, onset = world()
    data = data_of(table_of(onset))
    result = score(benchmark(data, n_splits=1), model_of(X), Settings(protocol="brainscore"))
    assert len(result.predictions["fold"]) == N // 10
    assert not result.predictions["fold"].values.any()


# --- concordance, and the null by default -----------------------------------------------------------


def test_concordance_counts_images_that_one_side_never_solves(scored):
    X, _, _, result = scored
    model, brain = result.per_unit.values, result.per_unit.coords["brain"].values
    figures = result.figures["concordance"]
    assert figures["c"] == pytest.approx(float(concordance(model, brain)))
    assert figures["d"] == pytest.approx(2 * figures["c"] - 1)
    assert figures["d_ci"][0] < figures["d"] < figures["d_ci"][1]
    # All thresholds are the same: one stratum.
    assert result.figures["concordance_within_thresholds"] == figures
    some = benchmark(data_of(table_of(np.where(brain_of(result) < 170, brain_of(result), np.nan))))
    part = score(some, model_of(X), Settings(seed=3))
    assert part.value > 0.5
    assert part.figures["concordance"]["d"] != pytest.approx(part.value, abs=1e-3)


def brain_of(result):
    """The brain's times in the order of the ids of the data."""
    times = dict(zip(result.per_unit.stimulus_id.values, result.per_unit.brain.values, strict=True))
    return np.array([times[stimulus_id] for stimulus_id in IDS])


def test_images_are_shuffled_unless_the_user_says_no(scored):
    X, _, data, result = scored
    assert (result.null["kind"], result.null["n_draws"]) == ("images", 100)
    assert result.null["p"] == pytest.approx(1 / 101)
    for name in ("concordance", "concordance_within_thresholds"):
        null = result.null["further"][name]
        assert null["p"] == pytest.approx(1 / 101)
        assert abs(null["mean"]) < 0.05
    within = score(benchmark(data), model_of(X), Settings(seed=3, null="within-object"))
    assert within.null["kind"] == "within-object"
    assert score(benchmark(data), model_of(X), Settings(seed=3, null="none")).null is None
    assert Score.from_json(json.loads(json.dumps(result.to_json()))).null == result.null


def test_brainscore_has_the_mean_concordance_of_its_splits(scored):
    X, _, data, _ = scored
    measured = benchmark(data, n_splits=3)
    result = score(measured, model_of(X), Settings(protocol="brainscore", null="none"))
    table = result.predictions
    c = []
    for split in np.unique(table.fold.values):
        rows = table.fold.values == split
        c.append(concordance(table.predicted.values[rows], table.target.values[rows]))
    assert result.figures["concordance"]["c"] == pytest.approx(np.mean(c))


def test_a_static_model_is_at_chance(scored):
    X, _, data, _ = scored
    result = score(benchmark(data), model_of(X[:, :, -1:].repeat(len(BINS), axis=2)))
    assert (result.value, result.figures["concordance"]["d"]) == (0.0, 0.0)
    assert result.figures["concordance"]["c"] == 0.5
    assert result.null["p"] == 1.0
