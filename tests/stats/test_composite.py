import numpy as np
import pytest

from brainbench.core import registry
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.run.loading import load_benchmark, load_composite
from brainbench.stats.bootstrap import image_counts
from brainbench.stats.ceiling import FORMULAS
from brainbench.stats.composite import Composite, Member, combine

CORNET_S = {"V4": 0.650, "IT": 0.600, "behavior": 0.382, "OST": 0.25}


def composite(*benchmarks, name="one-v1"):
    members = tuple(Member(benchmark) for benchmark in benchmarks)
    return Composite(name=name, members=members, meaning="a test", citation="nobody")


def test_cornet_s_of_the_paper():
    """Kubilius et al. 2019, 3.4: .471; its parts as published are rounded, and give .4705."""
    made = combine(list(CORNET_S.values()))
    assert made.value == pytest.approx(0.4705, abs=1e-12)
    assert abs(made.value - 0.471) <= 0.0005 + 1e-12
    assert (made.k, made.n, made.of_those) == (4, 4, None)


def test_a_missing_member_makes_it_undefined_and_not_smaller():
    made = combine([0.650, 0.600, None, 0.25])
    assert made.value is None
    assert (made.ci, made.draws, made.why_no_ci) == (None, None, None)
    assert made.of_those == pytest.approx(0.5)
    assert (made.k, made.n) == (3, 4)


def test_nothing_there():
    made = combine([None, None])
    assert (made.value, made.of_those, made.k, made.n) == (None, None, 0, 2)


def test_zero_is_a_figure_and_not_a_missing_member():
    made = combine([0.6, 0.0], [np.full(10, 0.6), np.zeros(10)])
    assert made.value == pytest.approx(0.3)
    assert made.ci == pytest.approx((0.3, 0.3))


def test_members_are_drawn_together():
    """What members have in common stays in the interval; independent members average it away."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal(20_000)
    both = combine([0.0, 0.0], [common, common]).ci
    apart = combine([0.0, 0.0], [common, rng.permutation(common)]).ci
    against = combine([0.0, 0.0], [common, -common]).ci
    alone = np.quantile(common, [0.025, 0.975])
    np.testing.assert_allclose(both, alone)
    assert np.ptp(apart) / np.ptp(both) == pytest.approx(0.5**0.5, abs=0.02)
    assert against == (0.0, 0.0)


def test_measures_on_the_same_images_give_draws_that_belong_together():
    """Means over images of two figures of each image: the composite's draws are those of their mean."""
    rng = np.random.default_rng(1)
    ids = [f"im{k:02d}" for k in range(40)]
    one, other = rng.standard_normal((2, 40))
    order = rng.permutation(40)
    counts = image_counts(ids, n_draws=500, seed=3)
    shuffled = image_counts([ids[k] for k in order], n_draws=500, seed=3)
    made = combine([one.mean(), other.mean()], [counts @ one / 40, shuffled @ other[order] / 40])
    np.testing.assert_allclose(made.draws, counts @ ((one + other) / 2) / 40)
    low, high = np.quantile(made.draws, [0.025, 0.975])
    assert made.ci == (low, high)


def test_draws_without_a_figure_are_counted():
    draws = np.arange(100.0)
    holes = draws.copy()
    holes[:3] = np.nan
    made = combine([50.0, 50.0], [draws, holes])
    assert made.n_undefined == 3
    assert made.ci[0] > 3


@pytest.mark.parametrize(
    ("draws", "why"),
    [
        (None, "no draws of V4, IT"),
        ([None, np.zeros(5)], "no draws of V4"),
        ([np.zeros(4), np.zeros(5)], "members with 4, 5 draws"),
        (
            [np.array([np.nan, 1.0]), np.array([1.0, np.nan])],
            "in no draw do all members have a figure",
        ),
        ([np.zeros(0), np.zeros(0)], "in no draw do all members have a figure"),
    ],
)
def test_why_there_is_no_interval(draws, why):
    made = combine([0.2, 0.4], draws, names=["V4", "IT"])
    assert made.value == pytest.approx(0.3)
    assert made.ci is None
    assert made.why_no_ci == why


@pytest.mark.parametrize(
    ("values", "more"),
    [
        ([], {}),
        ([0.5, float("nan")], {}),
        ([0.5, float("inf")], {}),
        ([0.5, 0.5], {"draws": [np.zeros(3)]}),
        ([0.5, 0.5], {"names": ["V4"]}),
    ],
)
def test_bad_input(values, more):
    with pytest.raises(InputError) as caught:
        combine(values, **more)
    assert "values [" in caught.value.got
    assert caught.value.todo == "give None for a member without a figure"


@pytest.mark.parametrize(
    ("benchmarks", "name"),
    [
        ((), "one-v1"),
        (("A.IT-pls", "A.IT-pls"), "one-v1"),
        (("A.IT-pls", "Simulated.IT-pls"), "one-v1"),
        (("A.IT-pls",), "Simulated.one-v1"),
        (("Simulated.IT-pls",), "one-v1"),
    ],
)
def test_a_composite_that_contradicts_itself(benchmarks, name):
    with pytest.raises(InputError, match=name):
        composite(*benchmarks, name=name)


def test_a_twin_has_the_formulas_of_the_real_one_and_another_name():
    real = Composite(
        name="two-v1",
        members=(Member("A.IT-pls"), Member("B-i2n", "r/sqrt(c)-v1")),
        meaning="a test",
        citation="nobody",
    )
    twin = real.twin(["Simulated.IT-pls", "Simulated.behavior-i2n"])
    assert twin.name == "Simulated.two-v1"
    assert [m.formula for m in twin.members] == [m.formula for m in real.members]
    assert twin.simulated
    assert not real.simulated
    with pytest.raises(InputError, match=r"\b1\b.*\b2\b.*two-v1"):
        real.twin(["Simulated.IT-pls"])


def test_the_declared_composites():
    names = list(registry.entries("composites"))
    declared = {name: load_composite(name) for name in names}
    assert {name: one.name for name, one in declared.items()} == {name: name for name in names}
    assert declared["mean-v1"].benchmarks == (
        "MajajHong2015.V4-pls",
        "MajajHong2015.IT-pls",
        "Rajalingham2018-i2n",
        "Kar2019-ost",
    )
    assert declared["mean-v1-static"].members == declared["mean-v1"].members[:3]
    assert {m.benchmark: m.formula for m in declared["mission-v2"].members} == {
        "MajajHong2015.V4-pls": "r/sqrt(c)-v1",
        "MajajHong2015.IT-pls": "r/sqrt(c)-v1",
        "Rajalingham2018-i2n": "r/sqrt(c)-v1",
        "Kar2019-ost": "raw-v1",
        "MajajHong2015.IT-dynamics": "r/sqrt(c)-v1",
        "Cowley2023.V4-ccnorm": "r/sqrt(c)-v1",
    }
    assert "mission-v1" not in declared
    assert {m.formula for m in declared["mean-v1"].members} == {"raw-v1"}
    for name in names[:3]:
        twin = declared[f"Simulated.{name}"]
        assert [m.formula for m in twin.members] == [m.formula for m in declared[name].members]


def test_a_composite_says_whether_its_members_are_on_one_scale():
    assert load_composite("mean-v1").scale == "all members by raw-v1"
    said = load_composite("mission-v2").scale
    for part in ("not one", "r/sqrt(c)-v1", "raw-v1"):
        assert part in said


def test_the_median_cc_norm_of_a_composite_is_the_value_of_its_benchmark():
    """By the benchmark's own formula, so that a score without options is a member."""
    for name in ("mission-v2", "Simulated.mission-v2"):
        member = load_composite(name).members[-1]
        measure = load_benchmark(member.benchmark).measure
        assert (measure.aggregate, f"{measure.formula}-v1") == ("median", member.formula)


@pytest.mark.parametrize("name", ["mean-v1", "mean-v1-static", "mission-v2"])
def test_formulas_of_members_exist(name):
    known = {f"{one.name}-v{one.version}" for one in FORMULAS.values()}
    assert {member.formula for member in load_composite(name).members} <= known


def test_an_unknown_composite():
    with pytest.raises(UnknownNameError) as caught:
        load_composite("mean-v2")
    assert caught.value.got == "unknown composite 'mean-v2'"
    assert "mean-v1" in caught.value.allowed
    assert caught.value.todo == "see `brainbench list composites`"
