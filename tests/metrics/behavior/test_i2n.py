"""Trials, d' and I2n: unusual designs, and errors of bad input."""

import numpy as np
import pandas as pd
import pytest

from brainbench.core.errors import InputError
from brainbench.metrics.behavior.i2n import correlation, d_prime, i1, normalized, two_way, undefined
from brainbench.metrics.behavior.trials import encode, fraction_correct, halves, halves_of_cells

TRUTH = np.array([0, 0, 1, 1, 2, 2])
COLUMNS = (["a", "a", "b"], ["cat", "cat", "dog"], ["dog", "dog", "cat"], ["cat", "dog", "dog"])


def off_truth(values):
    values = np.array(values, dtype=float)
    values[np.arange(len(TRUTH)), TRUTH] = np.nan
    return values


# --- by hand --------------------------------------------------------------------------------------


def test_worked_example_of_the_paper():
    """Kubilius et al. 2019, 3.2: hits of a dog-bear pair, false alarms from all images without dogs."""
    fraction = off_truth(np.full((6, 3), 0.5))
    fraction[0, 1] = 0.9
    fraction[2:, 0] = [0.8, 0.6, 0.7, 0.9]  # 'object 0' was the distractor: 1 - mean = .25
    both = {kind: d_prime(fraction, TRUTH, false_alarms=kind) for kind in ("paper", "brainscore")}
    z90, z75, z70 = 1.2815515655446004, 0.6744897501960817, 0.5244005127080407
    assert both["paper"][0, 1] == pytest.approx(z90 + z75)
    assert both["brainscore"][0, 1] == pytest.approx(z90 + z70)  # images of object 1: .8 and .6


def test_i1_differs_between_the_false_alarms_and_i2n_does_not():
    rng = np.random.default_rng(0)
    fraction = off_truth(rng.uniform(0.3, 0.9, (6, 3)))
    paper, brainscore = (
        d_prime(fraction, TRUTH, false_alarms=kind) for kind in ("paper", "brainscore")
    )
    assert np.abs(i1(paper) - i1(brainscore)).max() > 0.01
    np.testing.assert_allclose(normalized(paper, TRUTH), normalized(brainscore, TRUTH), atol=1e-12)


# --- odd designs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "own"), [("paper", 1.0), ("brainscore", np.nan)])
def test_one_hot_probabilities_give_figures_and_reasons(kind, own):
    """Brain-Score stops at inf - inf; here such cells are NaN and counted."""
    chosen = np.array([0, 1, 1, 1, 2, 0])  # images 1 and 5 are taken for another object
    fraction = two_way(np.eye(3)[chosen], TRUTH)
    sensitivity = d_prime(fraction, TRUTH, false_alarms=kind)
    assert np.isnan(fraction[1, 2])  # neither 0 nor 2 was answered: nothing is said about the pair
    assert fraction[1, 1] == 0.0 or np.isnan(fraction[1, 0])
    assert np.nanmax(np.abs(sensitivity)) == 5.0
    counts = undefined(fraction, sensitivity, TRUTH)
    assert counts["no hit rate"] == 2
    assert sum(counts.values()) == int(np.isnan(sensitivity).sum()) - len(TRUTH)
    matrix = normalized(sensitivity, TRUTH)
    # With the alarms of one distractor, what is left of each pair is one value: no correlation.
    assert correlation(matrix, matrix) == pytest.approx(own, nan_ok=True)


def test_both_rates_at_an_end_are_undefined_and_counted():
    fraction = off_truth(np.ones((6, 3)))
    fraction[:2, 1], fraction[2:4, 0] = 0.0, 1.0  # hit and alarm 0 for the pair 0-1, 1 for 1-0
    sensitivity = d_prime(fraction, TRUTH, false_alarms="brainscore")
    assert np.isnan(sensitivity[:2, 1]).all()
    assert np.isnan(sensitivity[2:4, 0]).all()
    assert undefined(fraction, sensitivity, TRUTH) == {"no d'": 4}
    assert sensitivity[0, 2] == 5.0


def test_perfect_subject_has_no_i2n_but_no_crash():
    sensitivity = d_prime(off_truth(np.ones((6, 3))), TRUTH)
    assert (sensitivity[~np.isnan(sensitivity)] == 5.0).all()
    matrix = normalized(sensitivity, TRUTH)
    assert np.isnan(correlation(matrix, matrix))  # constant: it says nothing about images


def test_unseen_cells_stay_unseen():
    trials = encode(
        ["a", "b", "c"], ["cat", "dog", "cow"], ["dog", "cow", "cat"], ["cat", "dog", "cat"]
    )
    fraction = fraction_correct(trials)
    assert np.isfinite(fraction).sum() == 3
    sensitivity = d_prime(fraction, trials.truth)
    assert undefined(fraction, sensitivity, trials.truth)["no hit rate"] == 3


def test_one_trial_per_pair_gives_halves_that_share_no_cell():
    names = [f"im{k}" for k in range(6)]
    objects = np.array(["o0", "o1", "o2"])
    rows = [(k, c) for k in range(6) for c in range(3) if c != TRUTH[k]]
    image, other = map(np.array, zip(*rows, strict=True))
    shown = objects[TRUTH[image]]
    trials = encode(np.array(names)[image], shown, objects[other], shown)
    for one, two in [*halves(len(trials)), *halves_of_cells(trials)]:
        a, b = (fraction_correct(trials, half) for half in (one, two))
        assert not (np.isfinite(a) & np.isfinite(b)).any()
        assert np.isnan(correlation(a, b))


def test_one_object_has_no_cells():
    fraction = two_way(np.ones((3, 1)), np.zeros(3, dtype=int))
    sensitivity = d_prime(fraction, np.zeros(3, dtype=int))
    assert np.isnan(sensitivity).all()
    assert np.isnan(i1(sensitivity)).all()
    assert np.isnan(correlation(sensitivity, sensitivity))
    assert undefined(fraction, sensitivity, np.zeros(3, dtype=int)) == {}


def test_draw_without_images_of_a_pair_has_no_figure_there():
    fraction = off_truth(np.random.default_rng(1).uniform(0.4, 0.9, (6, 3)))
    weights = np.array([[2.0, 1.0, 0.0, 0.0, 2.0, 1.0]])
    sensitivity = d_prime(fraction, TRUTH, false_alarms="brainscore", weights=weights)
    assert np.isnan(sensitivity[0, :2, 1]).all()  # no image of object 1 was drawn
    assert np.isfinite(sensitivity[0, :2, 2]).all()


def test_categories_are_read_as_their_names():
    plain = encode(*COLUMNS)
    frame = pd.DataFrame(dict(zip(("s", "t", "d", "c"), COLUMNS, strict=True)), dtype="category")
    coded = encode(*(frame[key] for key in frame))
    assert (coded.images, coded.objects) == (plain.images, plain.objects)
    for key in ("image", "distractor", "correct", "truth"):
        np.testing.assert_array_equal(getattr(coded, key), getattr(plain, key))


# --- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: ["a", "b"]}, "2 stimulus_id, 3 truth, 3 distractor, 3 choice"),
        ({0: [], 1: [], 2: [], 3: []}, "0 stimulus_id"),
        ({2: ["cat", "dog", "cat"]}, "1 .* row 0: truth cat, distractor cat"),
        ({3: ["cow", "dog", "dog"]}, "1 .* row 0: truth cat, distractor dog, choice cow"),
        ({1: ["cat", "dog", "dog"], 2: ["dog", "cat", "cat"], 3: ["cat", "dog", "dog"]},
         "'a' .*cat.*dog"),
    ],
    ids=["lengths", "none", "same", "neither", "two truths"],
)  # fmt: skip
def test_bad_trials(change, message):
    columns = [change.get(place, column) for place, column in enumerate(COLUMNS)]
    with pytest.raises(InputError, match=message):
        encode(*columns)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"images": ["a"]}, "stimulus_id 'b'"),
        ({"objects": ["cat"]}, "(distractor|truth) 'dog'"),
        ({"images": ["a", "b", "c"]}, "1 .*'c'"),
    ],
)
def test_names_that_do_not_fit(names, message):
    with pytest.raises(InputError, match=message):
        encode(*COLUMNS, **names)


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("kind", [list, pd.Series, "category"])
def test_missing_names_are_counted(kind, place, missing):
    """They are no answer: as a row of their own they would be counted as the last name."""
    columns = [
        pd.Series(one, dtype="category") if kind == "category" else kind(one) for one in COLUMNS
    ]
    gap = [COLUMNS[place][0], missing, missing]
    columns[place] = pd.Series(gap, dtype="category") if kind == "category" else kind(gap)
    name = ("stimulus_id", "truth", "distractor", "choice")[place]
    with pytest.raises(InputError, match=f"2 without {name} .*3 .*row 1") as message:
        encode(*columns)
    assert f"['{name}']" in message.value.todo


def test_all_names_missing():
    nothing = np.full(3, np.nan)
    message = "3 .*truth.* 3 .*choice.* 3 .*row 0"
    with pytest.raises(InputError, match=message):
        encode(COLUMNS[0], nothing, COLUMNS[2], nothing)


@pytest.mark.parametrize(
    ("matrix", "truth", "message"),
    [
        (np.full((2, 2), 1.5), [0, 1], "1.5 to 1.5"),
        (np.full((2, 2), -0.1), [0, 1], "-0.1 to -0.1"),
        (np.full((2, 2), 0.5), [0, 1, 1], r"\(2, 2\).*\(3,\)"),
        (np.full((2, 2), 0.5), [0.0, 1.0], "float64"),
        (np.full((2, 2), 0.5), [0, 2], r"\b2\b.*\b2\b"),
        (np.full(2, 0.5), [0, 1], r"\(2,\)"),
    ],
)
def test_bad_probabilities(matrix, truth, message):
    with pytest.raises(InputError, match=message):
        two_way(matrix, np.array(truth))


def test_unknown_false_alarms():
    with pytest.raises(InputError, match="false_alarms='mine'"):
        d_prime(off_truth(np.full((6, 3), 0.5)), TRUTH, false_alarms="mine")


def test_weights_of_other_images():
    with pytest.raises(InputError, match=r"\(1, 5\).*\b6\b"):
        d_prime(off_truth(np.full((6, 3), 0.5)), TRUTH, weights=np.ones((1, 5)))


def test_matrices_of_other_images():
    with pytest.raises(InputError, match=r"\(2, 2\).*\(3, 2\)"):
        correlation(np.ones((2, 2)), np.ones((3, 2)))


@pytest.mark.parametrize("truth", [TRUTH[:-1], np.r_[TRUTH, 0]])
def test_truths_of_other_images(truth):
    matrix = off_truth(np.full((6, 3), 0.5))
    for call in (normalized, lambda x, t: undefined(x, x, t)):
        with pytest.raises(InputError, match=rf"\(6, 3\).*\({len(truth)},\)"):
            call(matrix, truth)
        with pytest.raises(InputError, match=r"\b3\b.*\b3\b"):
            call(matrix, TRUTH + 1)
    with pytest.raises(InputError, match=r"\(6, 3\).*\(5, 3\)"):
        undefined(matrix, matrix[1:], TRUTH)


@pytest.mark.parametrize("n", [0, 1])
def test_one_trial_has_no_halves(n):
    with pytest.raises(InputError, match=rf"\b{n}\b"):
        halves(n)
