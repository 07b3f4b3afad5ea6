import math

import numpy as np
import pytest

from brainbench.core.errors import ActivationError, InputError, UnknownNameError
from brainbench.core.timeline import ALWAYS, STATIC, Timeline, square_wave

STEPS = {"V4": [(0, 100), (100, 200), (200, 300)], "IT": [(50, 150), (150, math.inf)]}


def clock(**more):
    return Timeline(**{"name": "paper", "source": "nobody", "steps": STEPS, **more})


def test_a_prefix_covers_the_layers_below_it_and_the_longest_wins():
    both = clock(steps={"IT": [(0, 1)], "IT.output": [(0, 2)]})
    assert both.declared("IT") == ((0.0, 1.0),)
    assert both.declared("IT.conv1") == ((0.0, 1.0),)
    assert both.declared("IT.output") == ((0.0, 2.0),)
    assert both.declared("IT.output.relu") == ((0.0, 2.0),)
    assert both.declared("ITx") is None
    assert both.declared("V1") is None


def test_a_layer_that_is_called_once_holds_at_every_time():
    assert clock().spans("decoder", calls=1) == (ALWAYS,)
    assert clock().spans("V4.output", calls=1) == (ALWAYS,)  # three are declared, one was called
    assert clock(steps={"V1": [(50, 150)]}).spans("V1.output", calls=1) == ((50.0, 150.0),)
    np.testing.assert_array_equal(
        STATIC.weights("any", [(70, 170), (170, 171)], calls=1), [[1], [1]]
    )


@pytest.mark.parametrize(
    ("layer", "calls", "declared"), [("decoder", 2, "no"), ("IT.output", 3, "2")]
)
def test_steps_that_are_not_declared_are_refused(layer, calls, declared):
    with pytest.raises(ActivationError, match=f"'{layer}' .*{calls} .*'paper' .*{declared} "):
        clock().spans(layer, calls=calls)


@pytest.mark.parametrize(
    ("bins", "expected"),
    [
        ([(0, 100)], [[1, 0, 0]]),
        ([(50, 150)], [[0.5, 0.5, 0]]),
        ([(70, 170)], [[0.3, 0.7, 0]]),
        ([(90, 210)], [[10 / 120, 100 / 120, 10 / 120]]),
        ([(10, 20), (290, 300)], [[1, 0, 0], [0, 0, 1]]),
    ],
)
def test_overlap_weights(bins, expected):
    np.testing.assert_allclose(clock().weights("V4.output", bins, calls=3), expected)


def test_a_step_without_end():
    np.testing.assert_allclose(
        clock().weights("IT", [(140, 160), (900, 999)], calls=2), [[0.5, 0.5], [0, 1]]
    )


@pytest.mark.parametrize("bins", [[(20, 60)], [(0, 10)], [(60, 70), (40, 60)]])
def test_a_bin_that_is_not_covered_is_refused(bins):
    with pytest.raises(InputError, match=r"ms .*'IT.output' .*'paper'") as caught:
        clock().weights("IT.output", bins, calls=2)
    assert "50-150, 150-inf ms" in caught.value.allowed


def test_a_bin_in_a_gap_is_refused():
    gap = clock(steps={"IT": [(0, 50), (100, 150)]})
    with pytest.raises(InputError, match="60-90 ms"):
        gap.weights("IT", [(60, 90)], calls=2)


@pytest.mark.parametrize(
    ("bin_", "expected"),
    [
        ((0, 20), [1, 0]),  # before the first step
        ((30, 70), [1, 0]),
        ((400, 500), [0, 1]),  # after the last
        ((0, 400), [0.25, 0.75]),
        ((110, 120), [0, 1]),  # wholly in the gap, nearer to the second
        ((60, 90), [1, 0]),  # nearer to the first
        ((90, 110), [0.5, 0.5]),  # astride the middle of the gap
    ],
)
def test_hold_gives_time_outside_to_the_nearest_step(bin_, expected):
    held = clock(steps={"IT": [(20, 50), (150, 200)]}, outside="hold")
    np.testing.assert_allclose(held.weights("IT", [bin_], calls=2), [expected])


@pytest.mark.parametrize(
    ("steps", "bin_", "expected"),
    [
        ([(0, 100), (100, 150)], (50, 150), [1 / 3, 2 / 3]),  # Brain-Score's time_align, run there
        ([(0, 100), (100, 200)], (70, 170), [0.3, 0.7]),  # steps of one length: as by overlap
        ([(0, 100), (100, 150)], (0, 150), [0.5, 0.5]),
        ([(0, 50), (50, math.inf)], (0, 150), [0.5, 0.5]),  # the last one ends with the bin
    ],
)
def test_shares_of_the_steps(steps, bin_, expected):
    shares = clock(steps={"IT": steps}, rule="share").weights("IT", [bin_], calls=2)
    np.testing.assert_allclose(shares, [expected])


def test_shares_of_steps_that_leave_time_uncovered():
    steps = {"IT": [(0, 100), (100, 150)]}
    with pytest.raises(InputError, match="100-200 ms"):
        clock(steps=steps, rule="share").weights("IT", [(100, 200)], calls=2)
    blank = clock(steps=steps, rule="share", outside="blank")
    np.testing.assert_allclose(
        blank.weights("IT", [(50, 250), (200, 300)], calls=2), [[1 / 6, 1 / 3], [0, 0]]
    )
    held = clock(steps=steps, rule="share", outside="hold")
    np.testing.assert_allclose(held.weights("IT", [(50, 200)], calls=2), [[0.2, 0.8]])


def test_nearest_start_ties_earlier():
    nearest = clock(steps={"IT": [(100, 200), (200, 300)]}, rule="nearest")
    bins = [(0, 10), (149, 159), (150, 160), (151, 161), (900, 910)]
    chosen = nearest.weights("IT.output", bins, calls=2)
    assert chosen.argmax(axis=1).tolist() == [0, 0, 0, 1, 1]
    assert set(chosen.ravel()) == {0.0, 1.0}


@pytest.mark.parametrize("rule", ["overlap", "share", "nearest"])
@pytest.mark.parametrize(
    "bin_", [(80, 80), (80, 70), (0, math.inf), (math.nan, 80), (-math.inf, 0)]
)
def test_bins_without_a_length_are_refused(rule, bin_):
    with pytest.raises(InputError, match=f"{bin_[0]:g}-{bin_[1]:g} ms"):
        clock(rule=rule, outside="hold").weights("V4", [(10, 20), bin_], calls=3)


@pytest.mark.parametrize(
    "spans",
    [
        [],
        [(100, 100)],
        [(100, 50)],
        [(0, 100), (50, 200)],
        [(100, 200), (0, 100)],
        [(0, math.nan)],
        [(-math.inf, math.inf)],
    ],
)
def test_spans_must_be_in_order(spans):
    with pytest.raises(InputError, match=r"'paper' .*'IT'") as caught:
        clock(steps={"V1": [(0, 1)], "IT": spans})
    assert str(spans) in caught.value.got


def test_a_static_timeline_has_no_steps():
    with pytest.raises(InputError, match=r"'paper' .*\['IT', 'V4'\]"):
        clock(static=True)


@pytest.mark.parametrize(
    ("option", "near"), [({"rule": "overlaps"}, "overlap"), ({"outside": "holds"}, "hold")]
)
def test_unknown_rules_are_refused(option, near):
    with pytest.raises(UnknownNameError, match="'paper'") as caught:
        clock(**option)
    assert caught.value.allowed.endswith(f" {near}")


def test_blank_time_has_no_step():
    clock = Timeline(
        name="t", source="test", steps={"IT": [(70, 170), (170, 200)]}, outside="blank"
    )
    weights = clock.weights("IT", [(0, 10), (60, 80), (165, 175), (195, 205), (300, 310)], calls=2)
    np.testing.assert_allclose(weights, [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5], [0, 0]])


def test_square_wave_is_delayed_by_the_place_of_the_layer():
    clock = square_wave(["a", "b", "c"])
    bins = [(10.0 * k, 10.0 * k + 10) for k in range(25)]
    for place, layer in enumerate("abc"):
        on = clock.weights(layer, bins, calls=1)[:, 0]
        assert np.flatnonzero(on).tolist() == list(range(place, place + 10))
    assert not clock.static


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"layers": []}, r"\[\]"),
        ({"layers": ["a", "a"]}, r"\['a', 'a'\]"),
        ({"layers": ["a"], "on_ms": 0}, "0 ms"),
        ({"layers": ["a"], "delay_ms": -1}, "-1 ms"),
    ],
)
def test_square_wave_of_bad_layers(options, named):
    with pytest.raises(InputError, match=named):
        square_wave(**options)


def test_further_steps_follow_the_declared_ones():
    steps = {"V1": [(0, 10), (10, 20)]}
    open_ended = clock(steps=steps, further_ms=10)
    assert open_ended.spans("V1", calls=2) == clock(steps=steps).spans("V1", calls=2)
    assert open_ended.spans("V1", calls=4)[2:] == ((20.0, 30.0), (30.0, 40.0))
    assert open_ended.spans("V1", calls=1) == (ALWAYS,)
    with pytest.raises(ActivationError, match="4 steps"):
        clock(steps=steps).spans("V1", calls=4)
    with pytest.raises(ActivationError, match="3 steps"):  # fewer than declared
        clock(steps={"V1": [(0, 10), (10, 20), (20, 30), (30, 40)]}, further_ms=10).spans(
            "V1", calls=3
        )


@pytest.mark.parametrize(
    "wrong", [{"further_ms": 0}, {"further_ms": math.inf}, {"further_ms": 10, "steps": STEPS}]
)
def test_further_steps_that_cannot_be(wrong):
    with pytest.raises(InputError, match="further_ms="):
        clock(**{"steps": {"V1": [(0, 10)]}, **wrong})
