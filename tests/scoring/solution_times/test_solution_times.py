"""The road from activations and solution times of a brain to a Score."""

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest
from known import Known
from scipy.stats import spearmanr

from brainbench.core import assembly, stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import HasSolutionTimes
from brainbench.core.effort import Foreseeing, Sizes
from brainbench.core.errors import ActivationError, InputError
from brainbench.core.presentation import Presentation
from brainbench.core.score import Score
from brainbench.core.settings import Settings
from brainbench.core.timeline import Timeline
from brainbench.data.arrays import ArrayData
from brainbench.metrics.solution_times.decoder import (
    Decoder,
    decode,
    decode_sensitivity,
    held_out_sensitivity,
)
from brainbench.metrics.solution_times.solution_times import agreement, solution_times
from brainbench.scoring.layer_states import states
from brainbench.scoring.solution_times import model_times as solver
from brainbench.scoring.solution_times import target as solving
from brainbench.scoring.solution_times.evaluation import CONVENTION
from brainbench.scoring.solution_times.measure import SolutionTimes
from brainbench.stats.ceiling import half_means, spearman_brown
from brainbench.stats.splits import brainscore, paper

OBJECTS, EACH, P, HALVES = 4, 20, 12, 3
N = OBJECTS * EACH
BINS = [(70.0 + 10 * k, 80.0 + 10 * k) for k in range(18)]
CLOCK = Timeline(name="bins", source="test", steps={"IT": BINS})
IDS = [f"im{(7 * k) % N:03d}" for k in range(N)]
LABELS = np.array([f"obj{k % OBJECTS}" for k in range(N)])
SORTED = np.argsort(IDS)


@dataclass(frozen=True, kw_only=True, eq=False)
class SolvingData(ArrayData):
    """Array data with a table of solution times."""

    table: pd.DataFrame = field(default_factory=pd.DataFrame)

    def solution_times(self):
        return self.table


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
        measure=SolutionTimes(**{"decoder": "converged", "n_halves": HALVES, **options}),
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
    return X, onset, data, benchmark(data).score(model_of(X), Settings(seed=3))


def by_hand(X, times, i1=1.0, *, seed=3):
    """The same figure from the functions on arrays."""
    ids = np.array(IDS)[SORTED]
    folds = paper(ids, LABELS[SORTED], seed=seed)
    bins = [X[SORTED][:, :, k] for k in range(X.shape[2])]
    found = decode_sensitivity(bins, LABELS[SORTED], folds, decoder=Decoder(name="converged"))
    mine = solution_times(found.sensitivity, np.full(N, i1), np.array(BINS))
    return mine, float(agreement([(np.arange(N), mine)], times[SORTED])[0])


def test_paper_is_one_spearman_over_the_images_of_all_folds(scored):
    X, onset, data, score = scored
    assert isinstance(data, HasSolutionTimes)
    mine, r = by_hand(X, onset + 10)
    assert score.value == score.raw == pytest.approx(r, abs=1e-12)
    assert score.formula == "raw-v1"
    assert r == pytest.approx(spearmanr(mine, onset[SORTED], nan_policy="omit").statistic)
    np.testing.assert_allclose(score.per_unit.values, mine)
    assert score.per_unit.dims == ("stimulus",)
    np.testing.assert_allclose(score.per_unit.coords["brain"].values, onset[SORTED] + 10)


def test_what_the_brain_knows_the_model_reaches(scored):
    assert scored[3].value > 0.8


def test_figures_and_counts(scored):
    _, _, _, score = scored
    figures = score.figures
    assert figures["images_used"] == score.n_units == N - score.n_excluded
    assert score.n_excluded == sum(score.excluded.values())
    assert 0.5 < figures["fraction_solved"] <= 1
    assert figures["fraction_solved_brain"] == 1.0
    assert figures["raw_over_convention"] == pytest.approx(score.raw / CONVENTION)
    assert figures["ceiling_convention"]["name"] == "Kar 2019 / Brain-Score convention"
    assert len(figures["accuracy_by_bin"]) == len(figures["sensitivity_by_bin"]) == len(BINS)
    assert figures["accuracy_by_bin"][-1] > figures["accuracy_by_bin"][0] + 0.3
    assert score.record.curve == [
        {"layer": "IT", "inner_mean": None, "inner_sd": None, "chosen_in_folds": 10}
    ]


def test_predictions_are_the_times_of_held_out_images(scored):
    _, onset, _, score = scored
    predictions = score.predictions
    assert predictions["predicted"].dims == ("sample",)
    assert sorted(predictions["stimulus_id"].values) == sorted(IDS)
    np.testing.assert_array_equal(np.bincount(predictions["fold"].values), [8] * 10)
    np.testing.assert_allclose(predictions["target"].values, onset[SORTED] + 10)
    again = spearmanr(predictions["predicted"], predictions["target"], nan_policy="omit")
    assert again.statistic == pytest.approx(score.raw)


def test_the_interval_is_of_its_draws(scored):
    score = scored[3]
    assert score.draws.shape == (1000,)
    assert score.ci == tuple(np.quantile(score.draws, [0.025, 0.975]))
    assert score.ci[0] < score.value < score.ci[1] <= 1.05
    assert "images" in score.ci_method
    assert not score.ci_method.endswith("approximate")  # paper, raw: its coverage is measured


def test_ceiling_is_the_agreement_of_halves_of_the_trials(scored):
    _, _, data, score = scored
    trials = data.recordings("IT").values
    halves = half_means(trials, n_splits=HALVES)
    r = []
    for one, other in zip(*halves, strict=True):
        (a, _), (b, _) = by_hand(one, np.zeros(N)), by_hand(other, np.zeros(N))
        r.append(spearmanr(a, b, nan_policy="omit").statistic)
    assert score.ceiling == pytest.approx(float(np.mean(spearman_brown(r))), abs=1e-9)
    assert "halves of the trials" in score.record.choices["ceiling"]


def test_halves_are_decoded_once_for_all_models(cache_folder, monkeypatch):
    X, onset = world()
    data = data_of(table_of(onset), trials=trials_of(X, n=2))
    first = benchmark(data).score(model_of(X), Settings())

    def never(*_args, **_options):
        raise AssertionError("decoded again")

    other = data_of(table_of(onset, 0.9), trials=trials_of(X, n=2))
    monkeypatch.setattr(solving, "_halved", never)
    assert benchmark(data).score(model_of(X[:, ::-1]), Settings()).ceiling == first.ceiling
    with pytest.raises(AssertionError, match="decoded again"):
        benchmark(other).score(model_of(X), Settings())


def test_a_formula_brings_the_ceiling_into_value_and_draws(scored):
    X, _, data, raw = scored
    score = benchmark(data).score(model_of(X), Settings(seed=3, formula="r/sqrt(c)"))
    assert score.value == pytest.approx(raw.raw / raw.ceiling**0.5)
    assert score.draws.std() > 0
    assert np.abs(score.draws - raw.draws / raw.ceiling**0.5).max() > 1e-3


def test_brainscore_is_the_mean_over_unstratified_splits(scored):
    X, onset, data, _ = scored
    score = benchmark(data).score(model_of(X), Settings(protocol="brainscore"))
    splits = brainscore(np.array(IDS)[SORTED])
    bins = [X[SORTED][:, :, k] for k in range(18)]
    r = []
    labels, converged = LABELS[SORTED], Decoder(name="converged")
    by_split = zip(*decode(bins, labels, splits, decoder=converged), strict=True)
    found = held_out_sensitivity(
        [np.stack(p) for p in by_split], labels, splits, together=False, false_alarms="brainscore"
    )
    for one, split in zip(found, splits, strict=True):
        mine = solution_times(one.sensitivity, np.ones(len(one.rows)), np.array(BINS))
        r.append(spearmanr(mine, onset[SORTED][split.test], nan_policy="omit").statistic)
    assert score.raw == pytest.approx(np.mean(r))
    assert score.formula == "r/c-v1"
    assert score.value == pytest.approx(score.raw / 0.79)
    assert score.error == pytest.approx(np.std(r) / 10**0.5 / 0.79)
    assert score.excluded["never held out"] == N - len(
        set(np.concatenate([s.test for s in splits]))
    )
    assert score.record.seeds["splits"] == 1


def test_brainscore_divides_by_its_convention_whatever_the_trials_say(scored):
    X, _, data, paper_score = scored
    score = benchmark(data).score(model_of(X), Settings(protocol="brainscore", seed=3))
    assert score.ceiling == CONVENTION
    assert score.record.choices["ceiling"] == "0.79, Kar 2019 / Brain-Score convention"
    assert score.figures["ceiling"]["value"] == CONVENTION
    assert score.figures["ceiling_split_half"] == paper_score.ceiling != CONVENTION
    assert paper_score.figures["ceiling_split_half"] == paper_score.figures["ceiling"]["value"]
    settings = Settings(protocol="brainscore", seed=3, formula="raw")
    raw = benchmark(data).score(model_of(X), settings)
    np.testing.assert_allclose(score.draws, raw.draws / CONVENTION)


def test_without_trials_the_ceiling_is_the_convention():
    X, onset = world()
    data = data_of(table_of(onset))
    paper_score = benchmark(data).score(model_of(X), Settings())
    assert paper_score.value == paper_score.raw
    assert paper_score.ceiling == CONVENTION
    assert paper_score.figures["ceiling_split_half"] is None
    assert "convention" in paper_score.record.choices["ceiling"]
    score = benchmark(data).score(model_of(X), Settings(protocol="brainscore"))
    assert score.value == pytest.approx(score.raw / 0.79)


def test_order_of_the_table_and_of_the_images_does_not_matter(scored):
    X, onset, _, score = scored
    table = table_of(onset + 10).sample(frac=1, random_state=0)
    again = benchmark(data_of(table)).score(model_of(X), Settings(seed=3))
    assert again.value == score.value


def test_images_that_a_side_does_not_solve_are_left_out_and_counted():
    X, onset = world()
    ost, i1 = onset.copy(), np.ones(N)
    ost[:7] = np.nan
    i1[5:20] = 99.0
    score = benchmark(data_of(table_of(ost, i1))).score(model_of(X), Settings())
    assert score.excluded["not solved by the brain"] >= 1
    assert score.excluded["not solved by the model"] >= 12
    assert score.excluded["solved by neither"] == 2
    assert score.n_units + score.n_excluded == N


def test_images_without_a_threshold_are_counted():
    X, onset = world()
    i1 = np.ones(N)
    i1[:4] = np.nan
    score = benchmark(data_of(table_of(onset, i1))).score(model_of(X), Settings())
    assert score.figures["thresholds_missing"] == 4
    assert score.n_units <= N - 4


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
    score = benchmark(data).score(model, Settings(protocol=protocol, null="images", null_draws=9))
    assert (score.value, score.raw, score.ci) == (0.0, 0.0, (0.0, 0.0))
    assert score.reason is None
    assert score.figures["reason"] == "static model"
    assert score.figures["fraction_solved"] is None  # nothing was decoded
    assert score.excluded == {"static model": N}
    assert any("static model" in note for note in score.record.notes)
    assert not score.draws.any()
    assert (score.null["p"], score.null["n_draws"], score.null["n_undefined"]) == (1.0, 9, 0)
    assert (score.null["mean"], score.null["sd"], score.null["resolution"]) == (0.0, 0.0, 0.1)
    assert 0 < score.ceiling < 1


def test_a_square_wave_that_solves_every_image_at_once_scores_zero():
    """As a feed-forward network under a pulse: on from before the first bin, then blank."""
    X, onset = world()
    wave = np.concatenate([np.repeat(X[:, :, -1:], 6, axis=2), np.zeros_like(X[:, :, :12])], axis=2)
    settings = Settings(null="images", null_draws=9)
    score = benchmark(data_of(table_of(onset))).score(model_of(wave), settings)
    assert (score.value, score.ci, score.reason) == (0.0, (0.0, 0.0), None)
    used = score.figures["images_used"]
    assert used > N / 2
    assert score.figures["reason"] == f"all {used} images that both solve are solved at 70 ms"
    assert score.figures["fraction_solved"] == pytest.approx(used / N)
    assert score.n_units == used
    assert score.null["p"] == 1.0


def test_a_nominal_clock_is_expanded_by_its_spans():
    """Two states, the first before 150 ms: images are solved at 70, between 140 and 150, or never."""
    X, onset = world()
    two = X[:, :, [5, 17]]
    clock = Timeline(
        name="paper", source="test", steps={"IT": [(0, 150), (150, 300)]}, nominal=True
    )
    score = benchmark(data_of(table_of(onset))).score(model_of(two, clock=clock), Settings())
    times = score.per_unit.values
    early = times == 70.0
    rest = times[~early & ~np.isnan(times)]
    assert early.any()
    assert len(rest)
    # The line starts at the first of the equal early bins.
    assert ((rest > 70) & (rest <= 150)).all()
    assert score.figures["states"] == 2
    assert len(set(score.figures["accuracy_by_bin"][:8])) == 1
    assert score.value > 0.3


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
    score = benchmark(data).score(model, Settings())
    assert score.record.layer == "IT"
    worse, better = score.record.curve
    assert (worse["chosen_in_folds"], better["chosen_in_folds"]) == (0, 10)
    assert better["inner_mean"] > worse["inner_mean"] + 0.2
    assert score.value == benchmark(data).score(model_of(X), Settings()).value
    with pytest.raises(InputError, match="2 layers for IT"):
        benchmark(data).score(model, Settings(protocol="brainscore"))


def choices_of(layers, folds, brain):
    offered = states(
        benchmark(data_of(table_of(1.0))), two_layers(**layers), Settings(), brain.stimuli, BINS
    )
    return solver._choose(offered, brain, folds, seed=0)


def test_the_choice_of_a_fold_does_not_see_its_test_images():
    """Two layers as good as each other, so that any look at a test image would tip the choice somewhere."""
    rng = np.random.default_rng(0)
    X, _ = world(noise=2.0)
    layers = {key: X + rng.standard_normal(X.shape) for key in ("one", "other")}
    brain = solving.brain_of(
        benchmark(data_of(table_of(1.0))), Settings(), bin_ms=10, n_splits=10, n_halves=3
    )
    folds = brain.folds("paper", n_splits=10, seed=0)
    best, curve = choices_of(layers, folds, brain)
    assert 0 < sum(best) < 10
    assert [row["chosen_in_folds"] for row in curve] == [10 - sum(best), sum(best)]
    for k, fold in enumerate(folds):
        changed = {key: values.copy() for key, values in layers.items()}
        changed["one"][SORTED[fold.test]] = 1e3 * rng.standard_normal((len(fold.test), P, 18))
        again, _ = choices_of(changed, [fold], brain)
        assert again == [best[k]]


def test_each_fold_is_decoded_from_its_own_layer():
    X, onset = world(noise=2.0)
    rng = np.random.default_rng(0)
    layers = {key: X + rng.standard_normal(X.shape) for key in ("one", "other")}
    data = data_of(table_of(onset))
    brain = solving.brain_of(benchmark(data), Settings(), bin_ms=10, n_splits=10, n_halves=3)
    folds = brain.folds("paper", n_splits=10, seed=0)
    best, _ = choices_of(layers, folds, brain)
    score = benchmark(data).score(two_layers(**layers), Settings())
    how, labels = Decoder(name="converged"), LABELS[SORTED]
    made = [
        [np.stack(one) for one in zip(*decode(bins, labels, folds, decoder=how), strict=True)]
        for bins in ([values[SORTED][:, :, k] for k in range(18)] for values in layers.values())
    ]
    (found,) = held_out_sensitivity([made[one][k] for k, one in enumerate(best)], labels, folds)
    mine = solution_times(found.sensitivity, np.ones(N), np.array(BINS))
    np.testing.assert_allclose(score.per_unit.values, mine, atol=1e-3)  # features in float32
    assert best.count(list(layers).index(score.record.layer)) >= 5


def test_too_few_images_to_choose_a_layer_by():
    X, onset = world()
    labels = LABELS.copy()
    labels[:2] = "rare"
    data = data_of(table_of(onset), labels=labels)
    model = two_layers(one=X, other=X)
    with pytest.raises(InputError, match="1 of rare, to choose a layer by"):
        benchmark(data, n_splits=2).score(model, Settings())


@pytest.mark.parametrize("kind", ["images", "within-object"])
def test_null_of_shuffled_images(scored, kind):
    X, _, data, _ = scored
    score = benchmark(data).score(model_of(X), Settings(seed=3, null=kind, null_draws=40))
    assert score.null["kind"] == kind
    assert abs(score.null["mean"]) < 0.1
    assert 0.05 < score.null["sd"] < 0.25
    assert score.null["p"] == score.null["resolution"] == pytest.approx(1 / 41)


def test_thresholds_alone_can_order_images_and_the_null_says_so():
    """The higher a threshold, the later any rising sensitivity reaches it."""
    X, _ = world()
    i1 = np.random.default_rng(0).uniform(0.2, 2.0, N)
    times, _ = by_hand(X, np.zeros(N), 1.0)
    ost = 100 + 40 * i1[SORTED] + 0 * np.nan_to_num(times)
    table = table_of(ost, i1[SORTED], ids=np.array(IDS)[SORTED])
    score = benchmark(data_of(table)).score(model_of(X), Settings(null="images", null_draws=20))
    assert score.null["mean"] > 0.15


def test_settings_that_have_nothing_to_act_on_are_said(scored):
    X, _, data, _ = scored
    score = benchmark(data).score(model_of(X), Settings(seed=3, resample="units", floor=0.3))
    assert score.ci is None
    assert score.draws is None
    assert score.value == scored[3].value
    assert sum("no interval" in note or "floor" in note for note in score.record.notes) == 2


def test_a_limit_marks_the_score_partial(scored):
    X, _, data, _ = scored
    score = benchmark(data).score(model_of(X), Settings(limit=32))
    assert score.partial
    assert score.n_stimuli == 32
    assert score.record.choices["stratified"] is False


def test_the_published_decoder_names_its_initializer():
    X, onset = world()
    data = data_of(table_of(onset, 0.01))
    found = {}
    for protocol in ("paper", "brainscore"):
        score = benchmark(data, decoder="published").score(model_of(X), Settings(protocol=protocol))
        found[protocol] = score.record.choices["initializer"]
    assert found == {"paper": "glorot_uniform", "brainscore": "truncated_normal"}


def test_it_says_what_it_will_take():
    """A wide layer of two states, and ten times two halves of the trials in each bin."""
    sizes = Sizes(
        stimuli=320,
        units=96,
        repetitions=20,
        bins=18,
        features=(25_088,),
        steps=(2,),
        nominal=True,
    )
    procedure = SolutionTimes(decoder="converged")
    assert isinstance(procedure, Foreseeing)
    work = procedure.work(sizes, Settings())
    without = procedure.work(replace(sizes, repetitions=1), Settings())
    assert 2 * 10 * 320**2 * 25_088 < without.flops < work.flops < 1e12
    assert work.memory_bytes < 1e9


def test_a_score_survives_json(scored):
    stored = Score.from_json(scored[3].to_json())
    assert stored.value == scored[3].value
    assert stored.figures["images_used"] == scored[3].figures["images_used"]
    np.testing.assert_array_equal(stored.per_unit.values, scored[3].per_unit.values)


# ---- bad input -------------------------------------------------------------------------------------


def test_data_without_solution_times():
    X, _ = world()
    plain = ArrayData(name="Plain", pictures=data_of(table_of(0)).pictures, regions={})
    with pytest.raises(InputError, match="'Plain' has no object solution times"):
        benchmark(plain).score(model_of(X), Settings())


def test_thresholds_above_every_sensitivity():
    X, onset = world()
    data = data_of(table_of(onset, 9.0))
    with pytest.raises(
        InputError, match=r"known solves none of 80 images: thresholds from d' 9\.00"
    ):
        benchmark(data).score(model_of(X), Settings())


@pytest.mark.parametrize(
    ("ost", "i1", "what"), [(np.nan, 1.0, "solution time"), (90.0, np.nan, "threshold")]
)
def test_a_brain_that_solves_nothing(ost, i1, what):
    X, _ = world()
    with pytest.raises(InputError, match=f"no {what} for any of 80 images"):
        benchmark(data_of(table_of(ost, i1))).score(model_of(X), Settings())


def test_times_that_are_all_equal_have_no_order():
    X, _ = world()
    with pytest.raises(InputError, match="no order to compare"):
        benchmark(data_of(table_of(100.0))).score(model_of(X), Settings())


def test_a_table_of_other_images():
    X, onset = world()
    with pytest.raises(InputError, match="no solution time for 1 of 80 images"):
        benchmark(data_of(table_of(onset).iloc[1:])).score(model_of(X), Settings())
    twice = pd.concat([table_of(onset), table_of(onset).iloc[:1]])
    with pytest.raises(InputError, match=IDS[0]):
        benchmark(data_of(twice)).score(model_of(X), Settings())
    with pytest.raises(InputError, match="without the column 'i1'"):
        benchmark(data_of(table_of(onset).drop(columns="i1"))).score(model_of(X), Settings())


@pytest.mark.parametrize("column", ["ost", "i1"])
def test_times_that_are_no_numbers(column):
    X, onset = world()
    table = table_of(onset).astype({column: object})
    table.loc[[3, 4], column] = ["late", None]
    told = f"1 of 80 values of {column} are no numbers, first 'late' of '{IDS[3]}'"
    with pytest.raises(InputError, match=told):
        benchmark(data_of(table)).score(model_of(X), Settings())


def test_numbers_as_text_are_numbers(scored):
    X, onset, _, score = scored
    table = table_of([repr(float(one)) for one in onset + 10])
    assert benchmark(data_of(table)).score(model_of(X), Settings(seed=3)).raw == score.raw


def test_stimuli_without_objects():
    X, onset = world()
    with pytest.raises(InputError, match="without object_name"):
        benchmark(data_of(table_of(onset), columns=())).score(model_of(X), Settings())


def test_one_object():
    X, onset = world()
    data = data_of(table_of(onset), labels=np.full(N, "cat"))
    with pytest.raises(InputError, match="one class, cat"):
        benchmark(data).score(model_of(X), Settings())


def test_an_object_that_a_random_split_trains_without():
    X, onset = world()
    ids = np.array(IDS)[SORTED]
    rare = ids[brainscore(ids)[0].test[0]]
    labels = np.where(np.array(IDS) == rare, "rare", LABELS)
    with pytest.raises(InputError, match="without images of class rare"):
        benchmark(data_of(table_of(onset), labels=labels)).score(
            model_of(X), Settings(protocol="brainscore")
        )


def test_bins_that_do_not_fill_the_window():
    X, onset = world()
    with pytest.raises(InputError, match="in bins of 50 ms"):
        benchmark(data_of(table_of(onset)), bin_ms=50).score(model_of(X), Settings())


def test_bins_that_the_clock_does_not_cover():
    X, onset = world()
    with pytest.raises(InputError, match="250-260 ms is not covered"):
        benchmark(data_of(table_of(onset)), window=(70, 260)).score(model_of(X), Settings())
    short = Timeline(name="short", source="test", steps={"IT": BINS[:5]})
    with pytest.raises(ActivationError, match="18 steps"):
        benchmark(data_of(table_of(onset))).score(model_of(X, clock=short), Settings())


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
    score = benchmark(data).score(model_of(X), settings)
    assert score.value == benchmark(whole).score(model_of(X), settings).value
    assert score.ceiling == (None if protocol == "paper" else CONVENTION)
    assert score.figures["ceiling_split_half"] is None
    told = (
        f"1 of {N} images without a trial of each site and bin in one half of the repetitions: "
        f"{HALVES} of {HALVES} halvings left out"
    )
    assert f"ceiling: {told}" in score.record.notes
    if protocol == "paper":
        assert score.record.choices["ceiling"].startswith("none: no halves of the trials")
        ceiled = benchmark(data).score(model_of(X), replace(settings, formula="r/sqrt(c)"))
        assert (ceiled.value, ceiled.raw) == (None, score.raw)
        assert ceiled.reason == f"no ceiling, so no r/sqrt(c): {told}"


def test_a_bin_of_a_site_that_was_not_recorded_costs_the_ceiling(scored):
    X, onset, _, whole = scored
    trials = trials_of(X)
    trials[:, :, 2, 4] = np.nan
    score = benchmark(gapped(onset + 10, trials)).score(model_of(X), Settings(seed=3))
    assert (score.value, score.ceiling) == (whole.value, None)
    assert f"{N} of {N} images without a trial of each site and bin" in "".join(score.record.notes)


def test_halvings_without_a_gap_make_the_ceiling():
    X, onset = world()
    trials = trials_of(X)
    trials[2:, 5] = np.nan
    halves = half_means(np.where(np.arange(6)[:, None] < 2, 0.0, np.nan), n_splits=6)
    kept = ~np.isnan(halves).any(axis=(0, 2))
    assert 0 < kept.sum() < 6
    score = benchmark(gapped(onset, trials), n_halves=6).score(model_of(X), Settings())
    assert score.record.choices["ceiling"].startswith(f"{kept.sum()} halves of the trials")
    assert f"{(~kept).sum()} of 6 halvings left out" in "".join(score.record.notes)
    assert score.ceiling > 0.5


def test_one_trial_has_no_halves():
    X, onset = world()
    data = data_of(table_of(onset), trials=trials_of(X, n=1))
    score = benchmark(data).score(model_of(X), Settings())
    assert score.figures["ceiling"]["source"].endswith("no trials")


def test_halves_that_disagree_give_no_ceiled_value(monkeypatch):
    X, onset = world()
    reversed_order = np.stack([onset, -onset])[:, None]
    monkeypatch.setattr(solving, "_halves", lambda *_, **__: (reversed_order, ""))
    data = data_of(table_of(onset))
    score = benchmark(data).score(model_of(X), Settings(formula="r/c"))
    assert score.value is None
    assert "no r/c" in score.reason
    assert score.raw > 0.8
    assert benchmark(data).score(model_of(X), Settings()).value == score.raw
