"""The self-test passes where a measure finds the truth, and misses where it does not."""

from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from brainbench_fake import MeanActivation, MeanEvaluation
from known import benchmark, brain, model_of
from runs import spec_of

from brainbench.core import registry
from brainbench.core.errors import InputError
from brainbench.core.model import check_model
from brainbench.core.score import Score
from brainbench.data.manifest import open_dataset
from brainbench.run import loading
from brainbench.run.plan import ModelSpec
from brainbench.run.selftest import SHUFFLES, Check, Outcome, Shuffled, run_checks

N_IMAGES, N_SITES = 80, 12


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((N_IMAGES, N_SITES))
    trials = signal + rng.standard_normal((10, N_IMAGES, N_SITES))
    return signal, brain(None, trials=trials)


@pytest.fixture
def models(data):
    signal, known = data
    noise = np.random.default_rng(1).standard_normal((N_IMAGES, N_SITES))
    made = {"truth": signal, "weak": noise}
    return {name: spec_of(model_of(known, X, name=name)) for name, X in made.items()}


@pytest.fixture
def benchmarks(data):
    return {"Known.IT-pls": benchmark(data[1], n_components=12)}


def check(**more):
    base = {
        "benchmark": "Known.IT-pls",
        "model": "truth",
        "expected": (0.9, 1.0),
        "formula": "r/sqrt(c)",
        "weaker": ("weak",),
        "why": "the sites themselves",
    }
    return Check(**{**base, **more})


def score(value, ci=None, model="net"):
    return Score(
        model=model,
        weights="none",
        benchmark="Known.IT-pls",
        version=1,
        protocol="paper",
        value=value,
        ci=ci,
        status="failed" if value is None else "scored",
        reason="it solves nothing of 80 images" if value is None else None,
    )


def test_the_truth_passes_and_shuffled_images_and_weaker_models_do_not(models, benchmarks):
    [one] = run_checks([check()], models, benchmarks)
    assert one.wrong == []
    assert one.passed
    assert one.score.value > 0.9
    assert abs(one.shuffled.value) < 0.3
    assert abs(one.weaker[0].value) < 0.3


def lost():
    raise FileNotFoundError("lost")


NOBODY = ModelSpec(name="nobody", make=lost)


@pytest.mark.parametrize(
    ("changes", "model", "words"),
    [
        ({"expected": (0.3, 0.4)}, "truth", ["0.300 to 0.400", "has 0.9"]),
        ({"expected": (1.5, 1.5)}, "truth", ["1.500", "has 0.9"]),
        ({"model": "weak", "weaker": ()}, "weak", ["0.900 to 1.000"]),
        ({"weaker": ("truth",)}, "truth", ["has 0.9"]),
        ({"expected": (-1.0, 1.0)}, "truth, images shuffled", []),
        ({"model": "nobody"}, "nobody", ["FileNotFoundError: lost"]),
        ({"weaker": ("nobody",)}, "nobody", ["FileNotFoundError: lost"]),
    ],
)
def test_what_is_a_miss(models, benchmarks, changes, model, words):
    [one] = run_checks([check(**changes)], {**models, "nobody": NOBODY}, benchmarks)
    assert not one.passed
    [wrong] = [text for text in one.wrong if text.startswith(f"{model} ")][:1]
    assert all(word in wrong for word in words)


def test_a_measure_that_does_not_look_at_the_images_is_a_miss(models, benchmarks):
    """A constant passes no check, however well it fits."""

    @dataclass(frozen=True, kw_only=True)
    class Flattering(MeanActivation):
        def evaluate(self, context, target, candidates):
            honest = super().evaluate(context, target, candidates)
            return Constant(**{one.name: getattr(honest, one.name) for one in fields(honest)})

    @dataclass(frozen=True, kw_only=True)
    class Constant(MeanEvaluation):
        def over_images(self, counts):
            return np.full(1 if counts is None else len(counts), 0.95)

    known = replace(benchmarks["Known.IT-pls"], measure=Flattering())
    [one] = run_checks([check(formula="raw")], models, {"Known.IT-pls": known})
    shuffled, weak = one.wrong
    assert shuffled.startswith("truth, images shuffled ")
    assert weak.startswith("weak ")


def test_options_of_the_measure_may_differ(models, benchmarks):
    through = {"n_components": 2}
    plain, two = run_checks([check(), check(through=through)], models, benchmarks)
    assert two.score.record.choices["components"] == 2
    assert plain.score.record.choices["components"] == 12
    assert two.check.name == "Known.IT-pls (2)"


def test_outcomes_belong_to_their_checks_whatever_the_groups(models, benchmarks):
    checks = [check(), check(formula="raw"), check(formula="r2/c"), check(formula="raw", weaker=())]
    outcomes = list(run_checks(checks, models, benchmarks))
    assert {id(one.check) for one in outcomes} == {id(one) for one in checks}
    for one in outcomes:
        assert one.score.formula == f"{one.check.formula}-v1"
        assert one.score.model == "truth"
        assert one.shuffled.model == "truth, images shuffled"
        assert len(one.weaker) == len(one.check.weaker)


@pytest.mark.parametrize(
    ("value", "ci", "met"),
    [
        (0.95, (0.93, 0.97), True),
        (1.02, (0.99, 1.05), True),
        (0.88, (0.86, 0.91), True),
        (0.88, (0.86, 0.89), False),
        (1.05, (1.01, 1.08), False),
        (0.95, None, True),
        (0.89, None, False),
        (None, None, False),
    ],
)
def test_the_interval_decides(value, ci, met):
    assert check().meets(score(value, ci)) is met


def test_a_control_must_lie_below_even_where_it_does_not_meet_the_figure():
    above = score(1.5, (1.4, 1.6), model="above")
    one = Outcome(
        check=check(),
        score=score(0.95, (0.93, 0.97)),
        shuffled=score(0.0, (-0.1, 0.1)),
        weaker=(above,),
    )
    [wrong] = one.wrong
    assert wrong.startswith("above ")
    assert "1.500" in wrong


def test_a_control_without_a_score_shows_nothing():
    none = score(None, model="net, images shuffled")
    one = Outcome(check=check(weaker=()), score=score(0.95, (0.93, 0.97)), shuffled=none, weaker=())
    [wrong] = one.wrong
    assert wrong.startswith("net, images shuffled ")
    assert "it solves nothing of 80 images" in wrong


def test_the_permutation_null_as_a_control(models, benchmarks):
    """The model is scored once, and the mean of its null stands where its shuffled answers would."""
    [one] = run_checks([check(null="images", weaker=())], models, benchmarks)
    null = one.score.null
    assert (null["kind"], null["n_draws"]) == ("images", SHUFFLES)
    assert one.shuffled.model == "truth, images shuffled"
    assert one.shuffled.value == null["mean"]
    assert one.shuffled.ci == pytest.approx(
        (null["mean"] - 1.96 * null["sd"], null["mean"] + 1.96 * null["sd"])
    )
    assert abs(one.shuffled.value) < 0.1
    assert one.passed
    [wide] = run_checks([check(null="images", expected=(-0.1, 1.0))], models, benchmarks)
    assert any(text.startswith("truth, images shuffled ") for text in wide.wrong)


def test_a_model_without_a_score_has_no_null(models, benchmarks):
    named = {**models, "nobody": NOBODY}
    [one] = run_checks([check(null="images", model="nobody", weaker=())], named, benchmarks)
    score_wrong, null_wrong = one.wrong
    assert score_wrong.startswith("nobody ")
    assert null_wrong.startswith("nobody, images shuffled ")
    assert "FileNotFoundError: lost" in null_wrong


def test_a_check_under_the_other_protocol(models, benchmarks):
    paper, other = run_checks([check(), check(protocol="brainscore")], models, benchmarks)
    assert [one.score.protocol for one in (paper, other)] == ["paper", "brainscore"]
    assert [one.weaker[0].protocol for one in (paper, other)] == ["paper", "brainscore"]
    assert (paper.check.name, other.check.name) == ("Known.IT-pls", "Known.IT-pls (brainscore)")


def test_seconds_are_those_of_all_scores(models, benchmarks):
    [one] = run_checks([check()], models, benchmarks)
    each = [one.score.seconds, one.shuffled.seconds, one.weaker[0].seconds]
    assert one.seconds == pytest.approx(sum(each))
    assert one.seconds > 0


def test_an_impossible_expectation():
    with pytest.raises(InputError, match=r"1\.0, 0\.9"):
        check(expected=(1.0, 0.9))


def test_shuffled_answers_are_those_of_other_images(data):
    signal, known = data
    model = model_of(known, signal)
    shuffled = check_model(Shuffled(model=check_model(model, name="known")), name="shuffled")
    pictures = known.stimuli()
    plain = model.activations(pictures, ["IT"])["IT"]
    mixed = shuffled.activations(pictures, ["IT"])["IT"]
    assert (
        mixed.coords["stimulus_id"].values.tolist() == plain.coords["stimulus_id"].values.tolist()
    )
    assert not np.array_equal(mixed.values, plain.values)
    assert np.array_equal(np.sort(mixed.values, axis=0), np.sort(plain.values, axis=0))
    again = shuffled.activations(pictures, ["IT"])["IT"]
    assert np.array_equal(mixed.values, again.values)
    rows = [plain.values.tolist().index(row) for row in mixed.values.tolist()]
    assert sorted(rows) == list(range(N_IMAGES))  # whole rows: units stay together
    assert shuffled.digest != model.digest
    assert shuffled.pinned().digest == shuffled.digest
    for name in ("weights", "areas", "clocks", "static", "presentations"):
        assert getattr(shuffled, name) == getattr(model, name)


def test_every_benchmark_on_a_simulated_brain_has_a_check():
    checked = {one.benchmark for one in loading.load_checks()}
    simulated = {
        name
        for name in registry.entries("benchmarks")
        if open_dataset(loading.load_benchmark(name).data).simulated
    }
    assert simulated <= checked


def test_checks_name_what_is_registered():
    for one in loading.load_checks():
        assert one.benchmark in registry.entries("benchmarks")
        assert {one.model, *one.weaker} <= set(registry.entries("models"))
        declared = loading.load_benchmark(one.benchmark)
        assert set(one.through) <= set(vars(declared.measure))
        assert one.protocol in declared.protocols
        assert one.settings.formula == one.formula


def test_no_two_checks_have_one_name():
    names = [one.name for one in loading.load_checks()]
    assert len(set(names)) == len(names)
