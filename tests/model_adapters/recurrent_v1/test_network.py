"""Recurrent V1 models: sizes, read-out modes, the feed-forward case (Zhang et al. 2020)."""

import copy
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional

from brainbench.core.errors import InputError, UnknownNameError
from brainbench_models.recurrent_v1.architecture import MODES, Architecture
from brainbench_models.recurrent_v1.blocks import FactorizedReadout, start_at
from brainbench_models.recurrent_v1.network import build, combined

IMAGENET_8K = {"n_neurons": 79, "side": 50}
NS_2250 = {"n_neurons": 34, "side": 37}
TINY = Architecture(n_neurons=5, side=20, channels=8, blocks=5, iterations=3, mode="2-avg")
# Of the released code: data, channels, blocks -> feed-forward, recurrent with T = 7.
PUBLISHED = [
    (IMAGENET_8K, 8, 3, 18_045, 18_125),
    (IMAGENET_8K, 16, 3, 22_829, 22_989),
    (IMAGENET_8K, 32, 3, 39_309, 39_629),
    (NS_2250, 8, 3, 5_556, 5_636),
    (NS_2250, 16, 3, 9_980, 10_140),
    (NS_2250, 32, 3, 25_740, 26_060),
    (IMAGENET_8K, 8, 5, 19_229, 19_389),
    (IMAGENET_8K, 16, 5, 27_501, 27_821),
    (IMAGENET_8K, 32, 5, 57_869, 58_509),
    (NS_2250, 8, 5, 6_740, 6_900),
    (NS_2250, 16, 5, 14_652, 14_972),
    (NS_2250, 32, 5, 44_300, 44_940),
]


def n_parameters(net):
    return sum(p.numel() for p in net.parameters())


def images(n=4, side=20, seed=0):
    return torch.rand(n, 1, side, side, generator=torch.Generator().manual_seed(seed))


def randomized(net, seed=1):
    """A model whose every parameter and running moment differs from what it starts with."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if tensor.is_floating_point():
                tensor.normal_(0.0, 0.3, generator=generator)
                if name.endswith("running_var"):
                    tensor.abs_().add_(0.5)
    return net.eval()


@pytest.mark.parametrize(("data", "channels", "blocks", "feedforward", "recurrent"), PUBLISHED)
def test_sizes_are_those_of_the_released_models(data, channels, blocks, feedforward, recurrent):
    architecture = Architecture(**data, channels=channels, blocks=blocks, iterations=7)

    assert n_parameters(build(architecture, seed=0)) == recurrent
    assert n_parameters(build(architecture.feedforward(), seed=0)) == feedforward


def test_a_norm_after_the_activation_adds_the_biases_of_the_first_convolution():
    before, after = (
        n_parameters(build(replace(TINY, first_norm=order), seed=0))
        for order in ("before", "after")
    )

    assert after - before == TINY.channels


@pytest.mark.parametrize("iterations", range(2, 8))
def test_recurrent_and_feedforward_models_match_but_for_normalizations(iterations):
    recurrent = replace(TINY, iterations=iterations)

    extra = n_parameters(build(recurrent, seed=0)) - n_parameters(
        build(recurrent.feedforward(), seed=0)
    )

    assert extra == 2 * TINY.channels * (2 * iterations - 4)


@pytest.mark.parametrize("first_norm", ["before", "after"])
@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_one_iteration_is_the_feedforward_model(first_norm, activation):
    net = randomized(
        build(replace(TINY, iterations=1, first_norm=first_norm, activation=activation), seed=0)
    )
    act = {"relu": nn.ReLU(), "softplus": nn.Softplus()}[activation]
    first = [net.first.norm, act] if first_norm == "before" else [act, net.first.norm]
    upper = [part for b in net.upper for part in (b.bottom_up, b.norms[0], act)]
    plain = nn.Sequential(
        net.norm_image, net.first.conv, *first, *upper, nn.AvgPool2d(3, 3, ceil_mode=True)
    )
    full = net.readout.features[:, :, None] * net.readout.space[:, None]

    with torch.no_grad():
        expected = act(
            functional.linear(plain(images()).flatten(1), full.flatten(1), net.readout.bias)
        )

        torch.testing.assert_close(net(images()), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("first_norm", ["before", "after"])
def test_the_first_block_and_its_gradients_are_those_of_separate_layers(first_norm):
    """In training, where the moments of the batch count; scale and shift of the image are in the kernels."""
    net = randomized(build(replace(TINY, first_norm=first_norm), seed=0)).double().train()
    plain = copy.deepcopy(net)
    normal = torch.randn(4, 8, 12, 12, dtype=torch.float64)
    conv, norm = plain.first.conv, plain.first.norm

    given = net.first(images().double(), net.norm_image)
    drive = conv(plain.norm_image(images().double()))
    expected = norm(drive).relu() if first_norm == "before" else norm(drive.relu())
    for response in (given, expected):
        (response * normal).sum().backward()

    torch.testing.assert_close(given, expected)
    for name in ("norm_image.weight", "norm_image.bias", "first.conv.weight", "first.norm.weight"):
        own, other = (model.get_parameter(name).grad for model in (net, plain))
        torch.testing.assert_close(own, other, msg=name)
    for (name, own), other in zip(net.named_buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(own, other, msg=name)


def test_with_one_iteration_all_modes_agree():
    nets = [randomized(build(replace(TINY, iterations=1, mode=mode), seed=0)) for mode in MODES]

    predicted = [net(images()) for net in nets]

    for other in predicted[1:]:
        torch.testing.assert_close(other, predicted[0], rtol=0, atol=0)


def test_iterations_follow_equation_2():
    """A block adds what is below it in the same iteration and itself in the one before (eqs. 2f to 2i)."""
    net = randomized(build(TINY, seed=0))
    y = {(1, t): net.first(images(), net.norm_image) for t in (1, 2, 3)}
    for t in (1, 2, 3):
        for m in (2, 3):
            block = net.upper[m - 2]
            drive = block.bottom_up(y[m - 1, t])
            if t > 1:
                drive = drive + block.lateral(y[m, t - 1])
            y[m, t] = torch.relu(block.norms[t - 1](drive))

    for t, top in enumerate(net.tops(images()), start=1):
        torch.testing.assert_close(top, y[3, t], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_modes_average_as_equations_2a_to_2e_say(mode):
    net = randomized(build(replace(TINY, mode=mode), seed=0))
    y = net.tops(images())

    def r(top):
        pooled = functional.avg_pool2d(top, 3, 3, ceil_mode=True)
        return torch.relu(net.readout(pooled))

    mean = [sum(y[: t + 1]) / (t + 1) for t in range(3)]
    expected = {
        "no-avg": r(y[2]),
        "early-avg": r(mean[2]),
        "late-avg": (r(y[0]) + r(y[1]) + r(y[2])) / 3,
        "2-avg": (r(mean[0]) + r(mean[1]) + r(mean[2])) / 3,
    }[mode]

    torch.testing.assert_close(net(images()), expected, rtol=1e-5, atol=1e-6)
    assert len(net.outputs(images())) == (3 if mode in ("late-avg", "2-avg") else 1)


def test_averages_of_a_constant_are_the_constant():
    top = torch.ones(1, 1, 2, 2)

    for mode in MODES:
        assert all(torch.equal(m, top) for m in combined([top, top, top], mode))


def test_gradients_of_the_factorized_readout_are_those_of_the_full_one():
    architecture = replace(TINY, channels=3)
    readout = FactorizedReadout(architecture).double()
    generator = torch.Generator().manual_seed(0)
    for parameter in readout.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    pooled = torch.randn(6, 3, 4, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(6, 5, generator=generator, dtype=torch.float64)

    full = (readout.features[:, :, None] * readout.space[:, None]).detach().requires_grad_()
    expected = functional.linear(pooled.flatten(1), full.flatten(1), readout.bias.detach())
    (expected * weights).sum().backward()
    by_full, by_input = full.grad, pooled.grad.clone()
    pooled.grad = None
    given = readout(pooled)
    (given * weights).sum().backward()

    torch.testing.assert_close(given, expected)
    torch.testing.assert_close(pooled.grad, by_input)
    # dL/dspace = sum over channels of dL/dW times the feature, and the other way round.
    torch.testing.assert_close(
        readout.space.grad, (by_full * readout.features[:, :, None]).sum(dim=1)
    )
    torch.testing.assert_close(readout.features.grad, (by_full * readout.space[:, None]).sum(dim=2))
    torch.testing.assert_close(readout.bias.grad, weights.sum(dim=0))


@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_a_model_starts_at_the_mean_response(activation):
    net = build(replace(TINY, activation=activation), seed=0).eval()
    mean = torch.tensor([0.1, 0.5, 1.0, 2.0, 4.0])

    start_at(net.readout, mean, activation)

    torch.testing.assert_close(net(images())[0], mean, rtol=0, atol=5e-3)


def test_the_seed_makes_the_model_and_leaves_the_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)

    first, again, other = (build(TINY, seed=seed).first.conv.weight for seed in (0, 0, 1))

    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_pooled_map_has_the_side_that_the_readout_expects():
    for side, iterations in product((9, 10, 12, 13, 20), (1, 2)):
        architecture = replace(TINY, side=side, iterations=iterations)

        assert build(architecture, seed=0).eval()(images(side=side)).shape == (4, 5)


@pytest.mark.parametrize(
    ("change", "error", "names"),
    [
        ({"iterations": 0}, InputError, ("iterations=0", "from 1")),
        ({"iterations": -3}, InputError, ("iterations=-3", "from 1")),
        ({"iterations": True}, InputError, ("iterations=True",)),
        ({"channels": 0}, InputError, ("channels=0",)),
        ({"n_neurons": 0}, InputError, ("n_neurons=0",)),
        ({"blocks": 4}, InputError, ("blocks=4", "blocks=3")),
        ({"blocks": 1}, InputError, ("blocks=1",)),
        ({"side": 8}, InputError, ("8 x 8", "9 x 9")),
        ({"mode": "mid-avg"}, UnknownNameError, ("mid-avg", "late-avg")),
        ({"activation": "tanh"}, UnknownNameError, ("tanh", "softplus")),
        ({"first_norm": "between"}, UnknownNameError, ("between", "before")),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(change, error, names):
    with pytest.raises(error) as caught:
        replace(TINY, **change)

    assert all(name in str(caught.value) for name in names)
