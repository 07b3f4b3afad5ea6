"""Solution times by hand, and what cannot be computed: each with its reason."""

import math
import re

import numpy as np
import pytest
from scipy.stats import norm

from brainbench.core.errors import InputError
from brainbench.metrics.correlation import rank_correlation
from brainbench.metrics.solution_times.solution_times import (
    agreement,
    check_bins,
    sensitivity,
    solution_times,
)

BINS = np.array([[70, 80], [80, 90], [90, 100], [100, 110]])


def solve(values, threshold, bins=BINS):
    return float(solution_times(np.array(values, dtype=float)[:, None], [threshold], bins)[0])


def test_between_two_bins_the_time_is_interpolated():
    assert solve([0, 1, 3, 4], 1.5) == pytest.approx(82.5)


def test_a_bin_exactly_at_the_threshold_is_a_hit():
    assert solve([0, 1, 3, 4], 1.0) == 80.0


def test_the_line_starts_at_the_highest_bin_before_and_not_at_the_one_just_before():
    assert solve([0, 1, 0.5, 3], 2.0) == pytest.approx(80 + 0.5 * 20)


def test_of_equal_bins_before_the_first_counts():
    assert solve([1, 1, 1, 3], 2.0) == pytest.approx(70 + 0.5 * 30)


def test_a_hit_in_the_first_bin_is_its_start():
    assert solve([2, 0, 0, 0], 1.0) == 70.0


def test_never_reached_is_nan():
    assert math.isnan(solve([0, 1, 2, 3], 3.1))


def test_without_a_threshold_there_is_no_time():
    assert math.isnan(solve([0, 1, 2, 3], np.nan))


def test_a_bin_without_sensitivity_is_neither_hit_nor_last():
    with_gap = np.array([[0.0, 0.0], [np.nan, 1.0], [2.0, 2.0], [3.0, 3.0]])
    times = solution_times(with_gap, np.array([1.0, 1.0]), BINS)
    np.testing.assert_allclose(times, [80.0, 80.0])  # line from 70 to 90; hit in the second bin


def test_bins_may_leave_gaps():
    gaps = np.array([[70, 80], [100, 110]])
    assert solve([0, 2], 1.0, gaps) == pytest.approx(85.0)


def test_sensitivity_by_hand():
    # Two images of each of two classes: with one distractor I1 is its d'.
    p = np.array([[[0.8, 0.2], [0.6, 0.4], [0.3, 0.7], [0.1, 0.9]]])
    found = sensitivity(p, np.array([0, 0, 1, 1]))[0]
    z = norm.ppf
    expected = [z(0.8) - z(0.2), z(0.6) - z(0.2), z(0.7) - z(0.3), z(0.9) - z(0.3)]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_the_two_false_alarm_rates_differ():
    rng = np.random.default_rng(0)
    p, truth = rng.dirichlet(np.ones(4), size=(1, 12)), np.arange(12) % 4
    paper, brainscore = (sensitivity(p, truth, false_alarms=k) for k in ("paper", "brainscore"))
    assert np.abs(paper - brainscore).max() > 1e-3


def test_a_class_that_is_not_among_the_images_is_skipped():
    rng = np.random.default_rng(0)
    p, truth = rng.dirichlet(np.ones(3), size=(1, 6)), np.array([0, 0, 0, 1, 1, 1])
    found = sensitivity(p, truth, false_alarms="brainscore")
    only = sensitivity(p[:, :, :2] / p[:, :, :2].sum(axis=2, keepdims=True), truth)
    np.testing.assert_allclose(found, only, atol=1e-12)


def test_one_hot_probabilities_do_not_crash():
    truth = np.arange(9) % 3
    right = np.eye(3)[truth][None]
    wrong = np.eye(3)[(truth + 1) % 3][None]
    np.testing.assert_array_equal(sensitivity(right, truth), 5.0)
    assert (sensitivity(wrong, truth)[~np.isnan(sensitivity(wrong, truth))] <= 0).all()


@pytest.mark.parametrize(
    ("bins", "named"),
    [
        ([[80, 90], [70, 80]], "70-80.*80-90"),
        ([[70, 80], [75, 85]], "75-85.*70-80"),
        ([[70, 80], [70, 80]], "70-80.*70-80"),
        ([[80, 70], [90, 100]], "80-70"),
        ([[70, math.inf], [90, 100]], "70-inf"),
        ([[math.nan, 80], [90, 100]], "nan-80"),
        ([70, 80], r"\(2,\)"),
        (np.empty((0, 2)), r"\(0, 2\)"),
    ],
)
def test_bins_that_cannot_be_used(bins, named):
    with pytest.raises(InputError, match=named):
        check_bins(bins)


@pytest.mark.parametrize(
    ("values", "thresholds"),
    [
        (np.zeros((3, 2)), [1, 1]),
        (np.zeros((4, 2)), [1]),
        (np.zeros(4), [1]),
        (np.zeros((4, 2)), 1),
    ],
)
def test_shapes_that_do_not_match(values, thresholds):
    with pytest.raises(InputError, match=re.escape(str(np.shape(values)))):
        solution_times(values, thresholds, BINS)


def test_a_bin_without_any_sensitivity_is_named():
    values = np.zeros((4, 2))
    values[2] = np.nan
    with pytest.raises(InputError, match=r"bin 2\b.*\b90 ms"):
        solution_times(values, [1, 1], BINS)


def test_probabilities_that_are_nan_name_their_bin():
    p = np.full((3, 4, 2), 0.5)
    p[1, 2] = np.nan
    with pytest.raises(InputError, match=r"bin 1\b.*\b1 of 3\b"):
        sensitivity(p, [0, 0, 1, 1])


def test_images_of_one_class_have_no_false_alarms():
    with pytest.raises(InputError, match=r"\b4\b"):
        sensitivity(np.full((2, 4, 2), 0.5), np.zeros(4, dtype=int))


@pytest.mark.parametrize(
    ("p", "truth"),
    [
        (np.full((4, 2), 0.5), [0, 1, 0, 1]),
        (np.full((0, 4, 2), 0.5), [0, 1, 0, 1]),
        (np.full((1, 4, 2), 1.5), [0, 1, 0, 1]),
        (np.full((1, 4, 2), 0.5), [0, 1, 0, 2]),
        (np.full((1, 4, 2), 0.5), [0, 1, 0]),
    ],
)
def test_probabilities_that_cannot_be_used(p, truth):
    with pytest.raises(InputError):
        sensitivity(p, np.array(truth))


def test_agreement_over_images_that_both_solve():
    times = np.array([80.0, 90.0, np.nan, 100.0, 70.0])
    part = (np.array([0, 1, 2, 3]), np.array([1.0, 2.0, 3.0, np.nan]))
    assert agreement([part], times).tolist() == [pytest.approx(1.0)]


def test_constant_times_have_no_correlation():
    times = np.array([80.0, 90.0, 100.0])
    static = (np.arange(3), np.full(3, 70.0))
    assert np.isnan(agreement([static], times)).all()
    assert np.isnan(agreement([(np.arange(3), np.full(3, np.nan))], times)).all()


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [(np.arange(3), np.arange(2.0))],
        [(np.arange(1, 4), np.arange(3.0))],
        [(np.array([-1]), np.ones(1))],
    ],
    ids=["none", "lengths", "beyond", "negative"],
)
def test_parts_of_other_images_are_refused(parts):
    with pytest.raises(InputError, match="0 to 2"):
        agreement(parts, np.arange(3.0))


def test_counts_of_other_images_are_refused():
    with pytest.raises(InputError, match=r"\(2, 4\)"):
        rank_correlation(np.arange(3.0), np.arange(3.0), counts=np.ones((2, 4)))
    with pytest.raises(InputError, match=r"\(3,\).*\(4,\)"):
        rank_correlation(np.arange(3.0), np.arange(4.0))
