import numpy as np
import pytest

from brainbench.core.errors import InputError
from brainbench.metrics.behavior.choices import image_level
from brainbench.metrics.correlation import pearson
from brainbench.metrics.gram import gram
from brainbench.metrics.linear.pls import cross_predict
from brainbench.stats.aggregate import mean_then_median
from brainbench.stats.bootstrap import stream
from brainbench.stats.permutation import null_summary, p_value, pair_test, shuffles
from brainbench.stats.splits import paper


def test_shuffled_images_score_zero_and_real_ones_do_not():
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((120, 8))
    X = latent @ rng.standard_normal((8, 200)) + rng.standard_normal((120, 200))
    Y = latent @ rng.standard_normal((8, 12)) + rng.standard_normal((120, 12))
    folds = paper([f"image{i:03d}" for i in range(120)])
    K = gram(X)

    def score(responses):
        held_out = cross_predict(K, responses, folds, n_components=5)
        r = [pearson(p, responses[f.test]) for p, f in zip(held_out, folds, strict=True)]
        return float(mean_then_median(np.stack(r)))

    draws = np.array([score(Y[order]) for order in shuffles(120, n_draws=60)])
    observed = score(Y)
    assert abs(draws.mean()) < 4 * draws.std() / np.sqrt(60)
    assert observed > 10 * draws.std()
    assert p_value(observed, draws) == pytest.approx(1 / 61)


def test_p_value_counts_the_observed_score():
    assert p_value(0.5, np.array([0.1, 0.5, 0.9])) == 0.75


def test_a_draw_without_a_value_reaches_the_score():
    assert p_value(0.5, np.array([0.1, np.nan, 0.2])) == 0.5


def test_null_summary():
    made = null_summary(0.5, np.array([0.1, np.nan, 0.3]), kind="within-object")
    assert made == {
        "kind": "within-object",
        "n_draws": 3,
        "n_undefined": 1,
        "mean": pytest.approx(0.2),
        "sd": pytest.approx(0.02**0.5),
        "p": 0.5,
        "resolution": 0.25,
    }


def test_no_draw_has_a_value():
    made = null_summary(0.5, np.full(4, np.nan), kind="images")
    assert np.isnan(made["mean"])
    assert np.isnan(made["sd"])
    assert (made["p"], made["n_undefined"]) == (1.0, 4)


def test_orders_are_permutations_and_all_orders_occur():
    orders = shuffles(3, n_draws=600)
    assert (np.sort(orders, axis=1) == np.arange(3)).all()
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6
    assert counts.min() > 60


def test_within_an_object_images_stay_with_it_and_all_of_their_orders_occur():
    objects = np.array(["b", "a", "b", "c", "a", "b"])
    orders = shuffles(6, kind="within-object", objects=objects, n_draws=900)
    assert (np.sort(orders, axis=1) == np.arange(6)).all()
    assert (objects[orders] == objects).all()
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 6 * 2
    assert counts.min() > 40


def test_sets_and_seeds_are_shuffled_independently():
    one = shuffles(30, n_draws=2)
    np.testing.assert_array_equal(one, shuffles(30, n_draws=2))
    assert (one != shuffles(30, n_draws=2, seed=1)).any()
    assert (one != shuffles(30, n_draws=2, name="other")).any()


def test_within_object_the_common_part_of_an_object_stays():
    """Responses that know the object and nothing else: above chance over the set, not within objects."""
    rng = np.random.default_rng(0)
    objects = np.repeat(np.arange(6), 20)
    tuning = rng.standard_normal((6, 9))
    Y = tuning[objects] + 0.5 * rng.standard_normal((120, 9))
    X = tuning[objects] + 0.5 * rng.standard_normal((120, 9))

    def score(responses):
        return float(np.median(pearson(X, responses)))

    observed = score(Y)
    kinds = {"images": None, "within-object": objects}
    whole, within = (
        np.array([score(Y[order]) for order in shuffles(120, kind=kind, objects=of, n_draws=99)])
        for kind, of in kinds.items()
    )
    assert p_value(observed, whole) == 0.01
    assert within.mean() == pytest.approx(observed, abs=0.05)
    assert p_value(observed, within) > 0.01


def test_groups_are_exchanged_whole_and_all_of_their_orders_occur():
    groups = np.array(list("pqpqrssrt"))
    orders = shuffles(9, groups=groups, n_draws=20000)
    assert (np.sort(orders, axis=1) == np.arange(9)).all()
    for name in "pqrs":
        assert all(len(set(groups[order[groups == name]])) == 1 for order in orders[:200])
    assert (orders[:, 8] == 8).all()  # alone with its size
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24 * 2**4
    assert counts.min() > 20


def test_groups_within_an_object_stay_with_it():
    objects = np.repeat(["cat", "dog"], [4, 5])
    groups = list("pqpqrssrt")
    orders = shuffles(9, kind="within-object", objects=objects, groups=groups, n_draws=1000)
    assert (objects[orders] == objects).all()
    assert len(np.unique(orders, axis=0)) == 8 * 8


def test_p_is_uniform_for_unrelated_groups_exchanged_whole_and_not_one_by_one():
    """Images of a photograph are alike on both sides: they are not so many independent images."""
    rng = np.random.default_rng(0)
    photo = np.repeat(np.arange(40), 5)
    truth = photo // 10

    def side():
        return 2 * rng.standard_normal((40, 4))[photo] + rng.standard_normal((200, 4))

    def p_of(x, y, **options):
        orders = shuffles(200, kind="within-object", objects=truth, n_draws=19, **options)
        draws = np.array([image_level(x[order], y, truth)[0] for order in orders])
        return p_value(image_level(x, y, truth)[0], draws)

    found = [
        (p_of(x, y, groups=photo, seed=k), p_of(x, y, seed=k))
        for k, (x, y) in enumerate((side(), side()) for _ in range(300))
    ]
    whole, single = np.array(found).T
    for level in (0.05, 0.25, 0.5, 0.75):
        assert np.mean(whole <= level) == pytest.approx(
            level, abs=3 * np.sqrt(level * (1 - level) / 300)
        )
    assert np.mean(single <= 0.05) > 0.12


# --- errors ---------------------------------------------------------------------------------------


def test_no_draws():
    with pytest.raises(InputError, match=r"n_draws = 0\b.*\b3\b"):
        shuffles(3, n_draws=0)


@pytest.mark.parametrize("option", [{"kind": "objects"}, {"n_images": 1}])
def test_options(option):
    with pytest.raises(InputError, match=str(*option.values())):
        shuffles(**{"n_images": 4, **option})


@pytest.mark.parametrize(
    ("objects", "message"),
    [
        (None, r"\b4\b"),
        (["a", "b"], r"\b2\b.*\b2\b.*\b4\b"),
        (list("abcd"), r"\b4\b.*\b4\b.*\b4\b"),
    ],
)
def test_nothing_to_shuffle_within(objects, message):
    with pytest.raises(InputError, match=message):
        shuffles(4, kind="within-object", objects=objects)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": list("aabb"), "kind": "within-object", "objects": list("xxyy")},
         r"\b2\b.*\b4\b"),
        ({"groups": list("abbb")}, r"\b2\b.*\b4\b"),
        ({"groups": list("abb")}, r"\(3,\).*\b4\b"),
    ],
)  # fmt: skip
def test_groups_that_cannot_be_exchanged(options, message):
    with pytest.raises(InputError, match=message):
        shuffles(4, **options)


# --- two models ----------------------------------------------------------------------------------------


def models(rng, *, n=60, sites=4, quality=(1.0, 1.0)):
    """Predictions of two models of the same quality or not, responses, folds and images."""
    signal = rng.standard_normal((n, sites))
    predicted = tuple(q * signal + rng.standard_normal((n, sites)) for q in quality)
    target = signal + rng.standard_normal((n, sites))
    return predicted, target, np.arange(n) % 5, np.array([f"image{k:02d}" for k in range(n)])


def of_pair(predicted, target, folds, groups, **options):
    return pair_test(
        predicted, target, folds=folds, groups=groups, aggregate=mean_then_median, **options
    )


def by_hand(x, y, folds):
    r = np.array([pearson(x[folds == fold], y[folds == fold]) for fold in np.unique(folds)])
    return np.median(np.nanmean(r, axis=0))


def test_a_pair_is_exchanged_image_by_image_at_all_sites():
    """A loop that exchanges standardized predictions, and correlates them."""
    rng = np.random.default_rng(0)
    predicted, target, folds, groups = models(rng)
    made = of_pair(predicted, target, folds, groups, n_draws=50)
    a, b = (np.empty_like(one) for one in predicted)
    for fold in range(5):
        rows = folds == fold
        for standardized, one in zip((a, b), predicted, strict=True):
            standardized[rows] = (one[rows] - one[rows].mean(0)) / one[rows].std(0)
    assert made.difference == pytest.approx(by_hand(a, target, folds) - by_hand(b, target, folds))
    drawn = stream(0, "exchanges of two models").integers(2, size=(50, 60))[:, :, None]
    reached = [
        abs(
            by_hand(np.where(swap, b, a), target, folds)
            - by_hand(np.where(swap, a, b), target, folds)
        )
        >= abs(made.difference)
        for swap in drawn
    ]
    assert made.p == pytest.approx((1 + sum(reached)) / 51)


def test_size_and_power_of_the_test_of_a_pair():
    """Of models that are exchangeable 5 % are called different; of others most."""
    rng = np.random.default_rng(1)
    p = np.array([of_pair(*models(rng), n_draws=99).p for _ in range(200)])
    assert (p <= 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert abs(p.mean() - 0.5) < 0.1
    better = [of_pair(*models(rng, quality=(1.5, 0.5)), n_draws=99).p for _ in range(20)]
    assert np.median(better) <= 0.05


def test_the_order_of_a_pair_and_the_scale_of_predictions_change_nothing():
    (a, b), target, folds, groups = models(np.random.default_rng(2))
    made = of_pair((a, b), target, folds, groups, n_draws=99)
    turned = of_pair((b, a), target, folds, groups, n_draws=99)
    assert (turned.difference, turned.p) == (pytest.approx(-made.difference), made.p)
    scaled = of_pair((1e3 * a + 7, 1e-3 * b), target, folds, groups, n_draws=99)
    assert (scaled.difference, scaled.p) == (pytest.approx(made.difference), made.p)


def test_a_model_and_itself():
    (a, _), target, folds, groups = models(np.random.default_rng(3))
    made = of_pair((a, a), target, folds, groups, n_draws=99)
    assert (made.difference, made.p) == (0.0, 1.0)


def test_sites_that_were_not_shown_an_image():
    """Two sessions side by side are their two blocks."""
    rng = np.random.default_rng(4)
    (a, b), target, folds, groups = models(rng, n=40, sites=2)
    (c, d), other, *_ = models(rng, n=40, sites=2)
    apart = [np.full((80, 4), np.nan) for _ in range(3)]
    for whole, first, second in zip(apart, (a, b, target), (c, d, other), strict=True):
        whole[:40, :2], whole[40:, 2:] = first, second
    names = np.concatenate([groups, [f"other {name}" for name in groups]])
    made = of_pair((apart[0], apart[1]), apart[2], np.tile(folds, 2), names, n_draws=19)
    r = [
        np.nanmean([pearson(x[folds == f], y[folds == f]) for f in range(5)], axis=0)
        for x, y in ((a, target), (b, target), (c, other), (d, other))
    ]
    expected = np.median([*r[0], *r[2]]) - np.median([*r[1], *r[3]])
    assert made.difference == pytest.approx(expected)


def test_images_of_a_group_are_exchanged_together():
    (a, b), target, folds, _ = models(np.random.default_rng(5), quality=(3.0, 0.2))
    two = np.where(np.arange(60) < 30, "dawn", "dusk")
    made = of_pair((a, b), target, folds, two, n_draws=199)
    assert made.p > 0.4  # half of the exchanges leave the models whole
    assert of_pair((a, b), target, folds, np.arange(60), n_draws=199).p == pytest.approx(1 / 200)


def test_a_pair_that_does_not_fit():
    (a, b), target, folds, groups = models(np.random.default_rng(6))
    with pytest.raises(InputError, match="59"):
        of_pair((a, b[:59]), target, folds, groups)
    with pytest.raises(InputError):
        of_pair((a, b), target, folds, np.zeros(60))
