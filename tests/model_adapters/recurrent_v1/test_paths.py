"""Paths of recurrent models, their strengths, and the multi-path model (Zhang et al. 2020, 4.2 to 4.3)."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch import nn

from brainbench.core.errors import InputError, UnknownNameError
from brainbench_models.recurrent_v1 import paths as p
from brainbench_models.recurrent_v1.architecture import MODES, Architecture
from brainbench_models.recurrent_v1.multipath import build_multipath, multipath_of
from brainbench_models.recurrent_v1.network import build

TINY = Architecture(n_neurons=3, side=17, channels=4, blocks=3, iterations=3)


def images(n=4, side=17):
    return torch.rand(n, 1, side, side, generator=torch.Generator().manual_seed(0))


def linear_net(architecture):
    """A model where all is linear: no activation, shift, running mean or bias."""
    net = build(replace(architecture, activation="linear"), seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
            elif isinstance(module, nn.Conv2d):
                module.weight.normal_(0.0, 0.3, generator=generator)
        net.readout.space.normal_(0.0, 0.3, generator=generator)
        net.readout.features.normal_(0.0, 0.3, generator=generator)
    return net.eval()


def test_one_recurrent_block_has_one_path_of_each_length():
    for t in range(1, 8):
        assert sorted(map(len, p.paths(1, t))) == list(range(1, t + 1))


def test_two_recurrent_blocks_have_the_published_numbers_of_paths():
    assert [len(p.paths(2, t)) for t in range(1, 8)] == [1, 3, 6, 10, 15, 21, 28]
    assert [len(walks(2, t)) for t in range(1, 8)] == [1, 3, 6, 10, 15, 21, 28]
    assert Counter(map(len, p.paths(2, 7))) == {k: k - 1 for k in range(2, 9)}


def test_a_path_goes_up_and_forward_in_time_only():
    for path in p.paths(3, 5):
        assert path[0].kind == "bottom-up"
        assert path[0].block == 0
        assert (path[-1].block, path[-1].iteration) == (2, 5)
        for one, following in pairwise(path):
            step = (following.block - one.block, following.iteration - one.iteration)
            assert step == ((1, 0) if following.kind == "bottom-up" else (0, 1))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("blocks", "iterations"), [(3, 1), (3, 3), (5, 3), (5, 4)])
def test_a_linear_multipath_model_equals_the_recurrent_one(mode, blocks, iterations):
    net = linear_net(replace(TINY, mode=mode, blocks=blocks, iterations=iterations))

    with torch.no_grad():
        expected, given = net(images()), multipath_of(net)(images())

    assert float(expected.abs().max()) > 1e-3
    torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-5)


def test_a_multipath_model_with_activations_differs():
    net = linear_net(replace(TINY, mode="late-avg"))
    rectified = build(replace(net.architecture, activation="relu"), seed=0)
    rectified.load_state_dict(net.state_dict())
    rectified.eval()

    difference = (multipath_of(rectified)(images()) - rectified(images())).detach().abs().max()

    assert float(difference) > 1e-3


@pytest.mark.parametrize("blocks", [3, 5])
def test_a_multipath_model_normalizes_each_occurrence_of_a_path_by_itself(blocks):
    architecture = replace(TINY, blocks=blocks, mode="late-avg")
    net = build_multipath(architecture, seed=0)
    n_norms = sum(len(path) for t in (1, 2, 3) for path in p.paths(architecture.n_upper, t))
    recurrent = build(architecture, seed=0)

    added = sum(q.numel() for q in net.parameters()) - sum(
        q.numel() for q in recurrent.parameters()
    )

    assert added == 2 * 4 * (n_norms - architecture.n_upper * 3)


def strengths_by_hand(net, convention):
    """Strength of the paths of one recurrent block, as in figure 5."""
    (block,) = net.upper

    def conv(module):
        kernels = module.weight.detach().numpy().reshape(net.architecture.channels, -1)
        return np.linalg.norm(kernels, axis=1).mean()

    def scale(norm):
        gamma = norm.weight.detach().numpy()
        if convention == "code":
            gamma = gamma / np.sqrt(norm.running_var.numpy() + 1e-3)
        return np.abs(gamma).mean()

    s1, s2, s3 = map(scale, block.norms)
    up, lateral = conv(block.bottom_up), conv(block.lateral)
    return {
        1: [up * s1],
        2: [up * s2, up * s1 * lateral * s2],
        3: [up * s3, up * s2 * lateral * s3, up * s1 * lateral * s2 * lateral * s3],
    }


@pytest.mark.parametrize("convention", p.CONVENTIONS)
@pytest.mark.parametrize(
    ("mode", "weights"),
    [
        ("no-avg", {3: 1}),
        ("early-avg", {1: 1 / 3, 2: 1 / 3, 3: 1 / 3}),
        ("late-avg", {1: 1 / 3, 2: 1 / 3, 3: 1 / 3}),
        ("2-avg", {1: (1 + 1 / 2 + 1 / 3) / 3, 2: (1 / 2 + 1 / 3) / 3, 3: 1 / 9}),
    ],
)
def test_strengths_are_products_weighted_by_the_mode(convention, mode, weights):
    net = linear_net(replace(TINY, mode=mode))
    by_hand = strengths_by_hand(net, convention)
    total = sum(w * sum(by_hand[t]) for t, w in weights.items())
    expected = np.zeros(3)
    for t, weight in weights.items():
        expected[:t] += weight * np.array(by_hand[t]) / total
    first = 0 if convention == "code" else 1

    distribution = p.length_distribution(p.weighted_paths(net, convention), convention)

    assert list(distribution) == [first, first + 1, first + 2]
    np.testing.assert_allclose(list(distribution.values()), expected, rtol=1e-5)
    length = (expected * np.arange(first, first + 3)).sum()
    assert p.average_path_length(distribution) == pytest.approx(length, rel=1e-5)
    multipath = multipath_of(net).weighted_paths(convention)
    assert p.length_distribution(multipath, convention) == pytest.approx(distribution, rel=1e-5)


def walks(n_blocks, t):
    """Return the walks through the unrolled model by brute force: convolutions and normalizations of each.

    Every sequence of "up" and "on" of any order is tried from the first block at every iteration, and those
    kept that end in the highest block at iteration t. Nothing of `paths` is used.
    """
    found = []
    for start in range(1, t + 1):
        for moves in product(("up", "on"), repeat=n_blocks + t - start):
            block, time, convs, norms = 0, start, [], []
            for move in moves:
                if move == "up":
                    block += 1
                    convs.append(("up", block))
                else:
                    time += 1
                    convs.append(("on", block))
                norms.append((block, time))
            # The first block has no lateral convolution, and the image is the same at all times.
            inside = all(0 < b <= n_blocks for b, _ in norms)
            if inside and moves[0] == "up" and (block, time) == (n_blocks, t):
                found.append((convs, norms))
    return found


def figures_by_walks(net, weights, convention):
    """Return share of each length, average length and diversity from `walks`, in plain numpy."""
    state = {key: value.double().numpy() for key, value in net.state_dict().items()}

    def conv(kind, block):
        name = {"up": "bottom_up", "on": "lateral"}[kind]
        kernels = state[f"upper.{block - 1}.{name}.weight"]
        return np.mean([np.sqrt((kernel**2).sum()) for kernel in kernels])

    def norm(block, time):
        key = f"upper.{block - 1}.norms.{time - 1}"
        gamma = np.abs(state[f"{key}.weight"])
        if convention == "code":
            gamma = gamma / np.sqrt(state[f"{key}.running_var"] + 0.001)
        return gamma.mean()

    shares, total = Counter(), 0.0
    for t, weight in weights.items():
        for convs, norms in walks(net.architecture.n_upper, t):
            strength = weight
            for step, place in zip(convs, norms, strict=True):
                strength = strength * conv(*step) * norm(*place)
            shares[len(convs) if convention == "paper" else len(convs) - 1] += strength
            total += strength
    shares = {length: share / total for length, share in shares.items()}
    mean = sum(length * share for length, share in shares.items())
    return shares, mean, np.exp(-sum(share * np.log(share) for share in shares.values()))


@pytest.mark.parametrize("convention", p.CONVENTIONS)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("blocks", [3, 5])
def test_figures_of_paths_are_those_of_a_search_by_brute_force(blocks, mode, convention):
    iterations = 4
    net = linear_net(replace(TINY, blocks=blocks, iterations=iterations, mode=mode))
    each = dict.fromkeys(range(1, iterations + 1), 1 / iterations)
    if mode == "no-avg":
        each = {iterations: 1.0}
    elif mode == "2-avg":  # output t is the mean over the iterations up to it
        each = Counter()
        for output in range(1, iterations + 1):
            for t in range(1, output + 1):
                each[t] += 1 / (iterations * output)

    shares, mean, diversity = figures_by_walks(net, each, convention)
    given = p.length_distribution(p.weighted_paths(net, convention), convention)

    assert given == pytest.approx(shares, rel=1e-5)
    assert p.average_path_length(given) == pytest.approx(mean, rel=1e-5)
    assert p.effective_lengths(given) == pytest.approx(diversity, rel=1e-5)


def test_weights_of_iterations_sum_to_1():
    for mode in MODES:
        for iterations in range(1, 8):
            assert sum(p.iteration_weights(iterations, mode).values()) == pytest.approx(1)


def test_a_feedforward_model_is_a_single_path():
    net = build(replace(TINY, blocks=5).feedforward(), seed=0)

    assert p.length_distribution(p.weighted_paths(net)) == {4: 1.0}
    assert p.effective_lengths({4: 1.0}) == pytest.approx(1)


def test_diversity_counts_equally_strong_lengths():
    assert p.effective_lengths({1: 0.25, 2: 0.25, 3: 0.25, 4: 0.25}) == pytest.approx(4)


def test_scaling_all_kernels_of_a_feedforward_part_changes_no_distribution():
    net = linear_net(replace(TINY, mode="late-avg"))
    before = p.length_distribution(p.weighted_paths(net))
    with torch.no_grad():
        net.first.conv.weight.mul_(3)
        net.upper[0].bottom_up.weight.mul_(5)

    assert p.length_distribution(p.weighted_paths(net)) == pytest.approx(before)


def test_a_stronger_lateral_convolution_makes_paths_longer():
    net = linear_net(replace(TINY, mode="2-avg"))
    lengths = []
    for _ in range(3):
        lengths.append(p.average_path_length(p.length_distribution(p.weighted_paths(net))))
        with torch.no_grad():
            net.upper[0].lateral.weight.mul_(2)

    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


@pytest.mark.parametrize(
    ("keeps", "kept"),
    [
        (p.Removing((1,)), {2: [2], 3: [2, 3]}),
        (p.Removing((1, 2)), {3: [3]}),
        (p.Removing((2, 3)), {1: [1], 2: [1], 3: [1]}),
        (p.Only(2), {2: [2], 3: [2]}),
        (p.AtMost(2), {1: [1], 2: [1, 2], 3: [1, 2]}),
        (p.AtLeast(3), {3: [3]}),
    ],
)
def test_ablations_remove_paths_and_iterations_without_any(keeps, kept):
    net = build_multipath(replace(TINY, mode="late-avg"), seed=0, keeps=keeps)

    assert {t: [len(path) for path in listed] for t, listed in net.kept.items()} == kept
    assert len(net.outputs(images())) == len(kept)
    assert sum(one.strength for one in net.weighted_paths()) == pytest.approx(1)


def test_an_ablated_model_is_the_sum_of_what_is_left():
    net = linear_net(replace(TINY, mode="no-avg"))
    whole = multipath_of(net)
    parts = []
    for lengths in ((1,), (2, 3)):
        part = build_multipath(net.architecture, seed=0, keeps=lambda n, own=lengths: n in own)
        kept = {k: path for k, path in enumerate(p.paths(1, 3)) if len(path) in lengths}
        part.load_state_dict(
            {k: v for k, v in whole.state_dict().items() if "path_norms" not in k}, strict=False
        )
        for own, k in zip(part.path_norms["3"], kept, strict=True):
            own.load_state_dict(whole.path_norms["3"][k].state_dict())
        parts.append(part.eval())

    torch.testing.assert_close(
        sum(part.tops(images())[0] for part in parts), whole.tops(images())[0]
    )


def test_ablations_of_the_figures_are_those_of_the_paper():
    lengths = {n: [one.lengths for one in p.adjacent_removals(7, n)] for n in (1, 2, 3)}

    assert lengths[1] == [(1,), (2,), (3,), (4,), (5,), (6,)]
    assert lengths[2] == [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]
    assert lengths[3] == [(1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5, 6), (5, 6, 7)]


def test_what_cannot_be_analyzed_is_refused():
    with pytest.raises(InputError, match="without a path"):
        build_multipath(TINY, seed=0, keeps=p.Only(9))
    with pytest.raises(UnknownNameError, match="convention"):
        p.weighted_paths(build(TINY, seed=0), "both")
    broken = build(TINY, seed=0)
    with torch.no_grad():
        broken.upper[0].lateral.weight.fill_(float("nan"))
    with pytest.raises(InputError, match="nan"):
        p.weighted_paths(broken)
