"""Losses and penalties of recurrent V1 models, against arithmetic written out."""

import numpy as np
import torch
from scipy.ndimage import convolve

from brainbench_models.recurrent_v1.architecture import Architecture
from brainbench_models.recurrent_v1.losses import (
    penalties,
    prediction_loss,
    readout_penalty,
    smoothness_penalty,
)
from brainbench_models.recurrent_v1.network import build

ARCHITECTURE = Architecture(n_neurons=3, side=17, channels=4)


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_losses_are_means_over_outputs_images_and_neurons():
    outputs, observed = drawn(2, 5, 3), drawn(5, 3, seed=1)
    x, y = outputs.numpy(), observed.numpy()

    mse = np.mean([((x[t] - y) ** 2).mean() for t in range(2)])
    poisson = np.mean([(x[t] - y * np.log(x[t] + 1e-5)).mean() for t in range(2)])

    np.testing.assert_allclose(prediction_loss(outputs, observed, "mse"), mse, rtol=1e-5)
    np.testing.assert_allclose(prediction_loss(outputs, observed, "poisson"), poisson, rtol=1e-5)


def test_a_prediction_of_zero_has_a_finite_poisson_loss():
    assert torch.isfinite(prediction_loss(torch.zeros(1, 2, 2), torch.ones(2, 2), "poisson"))


def test_the_readout_penalty_is_a_mean_over_neurons():
    readout = build(ARCHITECTURE, seed=0).readout
    space, features = readout.space.detach().numpy(), readout.features.detach().numpy()
    full = np.abs(space[:, None] * features[:, :, None])

    np.testing.assert_allclose(
        readout_penalty(readout).detach(), full.sum(axis=(1, 2)).mean(), rtol=1e-5
    )


def test_smoothness_is_that_of_the_laplacian_and_knows_no_scale():
    kernels = drawn(4, 1, 9, 9) - 0.5
    laplace = np.array([[0.25, 0.5, 0.25], [0.5, -3, 0.5], [0.25, 0.5, 0.25]])
    expected = sum(
        (convolve(k, laplace, mode="constant") ** 2).sum() / (k**2).sum()
        for k in kernels[:, 0].numpy()
    )

    np.testing.assert_allclose(smoothness_penalty(kernels), expected, rtol=1e-5)
    np.testing.assert_allclose(smoothness_penalty(7 * kernels), expected, rtol=1e-5)


def test_smooth_kernels_cost_less_than_rough_ones():
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    bump = torch.exp(-((x - 4) ** 2 + (y - 4) ** 2) / 6)[None, None]

    assert smoothness_penalty(bump) < 0.2 * smoothness_penalty(drawn(1, 1, 9, 9) - 0.5)


def test_penalties_are_weighted():
    net = build(ARCHITECTURE, seed=0)
    expected = 0.01 * readout_penalty(net.readout) + 5e-6 * smoothness_penalty(
        net.first.conv.weight
    )

    torch.testing.assert_close(penalties(net, readout_scale=0.01, smoothness=5e-6), expected)
