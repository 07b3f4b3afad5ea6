"""The hidden network of a simulated brain: V1, V2, V4 and IT over 250 ms, in float64.

An image is on for 100 ms, followed by a gray blank. Each area integrates its input in steps of 10 ms:

V1
    Energies of Gabor quadrature pairs (8 orientations, 3 scales), minus the surround of the same channel,
    divided by the activity of all channels at the position. The surround receives the input and V1 and is
    slower than the center, so that textures fade and contours stay: an object in front of clutter becomes
    clearer over time.
V2
    Each channel multiplies two V1 channels at two nearby positions (corners, curves, parallel contours).
V4, IT
    Sparse random mixtures of the previous area over larger and larger regions, in IT with excitation by
    other channels at the same position.

Between areas, positions are pooled by the fourth power (close to a maximum), which gives tolerance to
position. All weights come from the seed; nothing is learned. Areas start at 40, 50, 70 and 90 ms.

Responses are rounded to multiples of 2**-18 and population responses to multiples of 2**-14, far above the
rounding errors of float64, so that other machines and numbers of threads give the same bytes.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from brainbench.core.errors import InputError
from brainbench.simulate.areas import (
    BIN_MS,
    BINS,
    LATENCY_MS,
    ON_MS,
    PICTURE,
    POPULATION,
    REGIONS,
    SHAPES,
)

Array: TypeAlias = npt.NDArray[np.float64]
Tensor: TypeAlias = torch.Tensor

_TOGETHER = 8  # images per thread at a time: their working memory fits in its cache
_ORIENTATIONS = 8
_REACH = 3  # largest distance of the two positions of a V2 channel, in V1 positions
_RATE = {"V1": 0.6, "V2": 0.6, "V4": 0.5, "IT": 0.5}  # share of the way to the input in one step
_SURROUND_RATE = 0.25
_SURROUND = 1.8  # weight of the surround
_RECURRENT = 0.5  # share of V1's responses in the input of the surround
_LATERAL = 0.2
_INHIBITION = {"V4": 0.5, "IT": 0.7}
_HALF = {"V1": 0.15, "V2": 0.1, "V4": 0.3, "IT": 0.8}  # semi-saturation of the normalization
_POOL_SIGMA = {"V1": 1.2, "V2": 1.0, "V4": 1.0, "IT": 0.8}  # of population units, in positions
_MAP_GRID, _POPULATION_GRID, _WEIGHT_GRID = 2.0**-18, 2.0**-14, 2.0**-10


@dataclass(frozen=True, eq=False)
class HiddenNetwork:
    """Fixed weights of a hidden network."""

    seed: int
    pair_first: Tensor  # V1 channel of each V2 channel's first input, (128,)
    pair_second: Tensor  # index of the second input in V1's padded maps, (128 * 14 * 14,)
    mix_v4: Tensor  # (channel out, channel in)
    mix_it: Tensor
    lateral: Tensor  # excitation among IT channels, (channel, channel), rows sum to `_LATERAL`
    # For each area the channels (96,) and windows (96, row * column) of the population units; windows sum
    # to 1 up to rounding.
    pools: dict[str, tuple[npt.NDArray[np.intp], Array]]


def build_network(*, seed: int = 0) -> HiddenNetwork:
    """Draw the weights of a hidden network, the same for the same seed of a simulated brain."""
    first, second = _draw_pairs(_rng(seed, 2))
    return HiddenNetwork(
        seed=seed,
        pair_first=first,
        pair_second=second,
        mix_v4=_draw_mixture(_rng(seed, 3), n_out=SHAPES["V4"][0], n_in=SHAPES["V2"][0]),
        mix_it=_draw_mixture(_rng(seed, 4), n_out=SHAPES["IT"][0], n_in=SHAPES["V4"][0]),
        lateral=_draw_lateral(_rng(seed, 5), n=SHAPES["IT"][0]),
        pools={
            region: _draw_pools(_rng(seed, 6, index), region)
            for index, region in enumerate(REGIONS)
        },
    )


def respond(
    network: HiddenNetwork,
    pictures: npt.NDArray[np.uint8],
    *,
    on_ms: float | None = ON_MS,
    workers: int = 2,
) -> dict[str, Array]:
    """Return the non-negative maps of each area, (stimulus, channel, row, column, time), in 25 bins of 10 ms.

    Pictures are uint8 (stimulus, 224, 224, 3). One needs 4 MB: give about 16 at a time. They are on for
    `on_ms` ms before the blank, or all the time with None. Responses do not depend on the number of threads
    (`workers`), since each image is computed by one thread. InputError for images of another size or type, or
    a duration that is not positive.
    """
    if on_ms is not None and not on_ms > 0.0:
        raise InputError(
            f"images shown for {on_ms} ms",
            allowed="a positive duration in ms, or None for as long as the network runs",
            todo="give on_ms, for example 100",
        )
    on = BINS if on_ms is None else round(on_ms / BIN_MS)
    return _respond(network, pictures[:, None], [0] * on, workers=workers)


def respond_to_movies(
    network: HiddenNetwork,
    movies: npt.NDArray[np.uint8],
    numbers: Sequence[int],
    *,
    workers: int = 2,
) -> dict[str, Array]:
    """Return the maps of each area as `respond` does, for movies, uint8 (stimulus, frame, 224, 224, 3).

    `numbers` has the frame that is on in each bin of 10 ms from the onset; after these follows the blank.
    InputError for images of another size or type, or a frame that does not exist.
    """
    if len(movies.shape) != 5 or not set(numbers) <= set(range(movies.shape[1])):
        raise InputError(
            f"movies of shape {movies.shape}, whose frames {sorted(set(numbers))} are shown",
            allowed=f"(stimulus, frame, {PICTURE}, {PICTURE}, 3), and frames that it has",
            todo="number the frames from 0",
        )
    return _respond(network, movies, numbers, workers=workers)


def _respond(
    network: HiddenNetwork, movies: npt.NDArray[np.uint8], numbers: Sequence[int], *, workers: int
) -> dict[str, Array]:
    n, n_frames = movies.shape[:2]
    flat = _luminance(movies.reshape(-1, *movies.shape[2:]))
    luminance = flat.view(n, n_frames, *flat.shape[1:])
    over_time = {region: np.empty((BINS, n, *shape)) for region, shape in SHAPES.items()}

    def fill(first: int) -> None:
        rows = slice(first, first + _TOGETHER)
        out = {region: values[:, rows] for region, values in over_time.items()}
        _run(network, luminance[rows], numbers, out)

    # The threads of torch would split single sums, and wait for each other on a busy machine.
    with (
        ThreadPoolExecutor(
            max_workers=max(1, workers), initializer=torch.set_num_threads, initargs=(1,)
        ) as executor,
        _keep_torch_threads(),
    ):
        list(executor.map(fill, range(0, n, _TOGETHER)))
    return {region: np.moveaxis(values, 0, -1) for region, values in over_time.items()}


def pool(network: HiddenNetwork, region: str, maps: Array) -> Array:
    """Return the population responses of an area, (stimulus, 96, time), from the maps of `respond`.

    Each unit is the mean of one channel over a Gaussian window, in multiples of 2**-14.
    """
    channels, windows = network.pools[region]
    flat = maps.reshape(*maps.shape[:2], -1, maps.shape[-1])
    # Maps and weights are multiples of powers of two, and sums have fewer than 53 bits: they are exact
    # in any order.
    pooled = np.matmul(windows[:, None, :], flat[:, channels])[:, :, 0]
    return np.asarray(np.rint(pooled / _POPULATION_GRID) * _POPULATION_GRID)


def _run(
    network: HiddenNetwork, luminance: Tensor, numbers: Sequence[int], out: dict[str, Array]
) -> None:
    drives = {number: _energies(luminance[:, number]) for number in sorted({0, *numbers})}
    blank = torch.zeros_like(drives[0])
    start = round(LATENCY_MS["V1"] / BIN_MS)
    state = _State.rest(len(blank))
    for step in range(BINS):
        is_on = start <= step < start + len(numbers)
        seen = drives[numbers[step - start]] if is_on else blank
        for region, response in _advance(network, state, seen).items():
            out[region][step] = np.rint(response.numpy() / _MAP_GRID) * _MAP_GRID


@contextlib.contextmanager
def _keep_torch_threads() -> Iterator[None]:
    """Restore torch's number of threads, since one thread sets it for all that start later."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass
class _State:
    """State of the network between two steps; the deques hold earlier outputs."""

    center: Tensor
    surround: Tensor
    v1: deque[Tensor]
    v2: deque[Tensor]
    v4: deque[Tensor]
    it: Tensor

    @classmethod
    def rest(cls, n: int) -> _State:
        zero = {
            region: torch.zeros((n, *shape), dtype=torch.float64)
            for region, shape in SHAPES.items()
        }
        return cls(
            center=zero["V1"],
            surround=zero["V1"],
            v1=deque([zero["V1"]], maxlen=1),
            v2=deque([zero["V2"]] * 2, maxlen=2),
            v4=deque([zero["V4"]] * 2, maxlen=2),
            it=zero["IT"],
        )


def _advance(network: HiddenNetwork, state: _State, drive: Tensor) -> dict[str, Tensor]:
    """Advance by 10 ms. Areas read the output of the previous area 10 (V2) or 20 ms (V4, IT) ago."""
    mixed = torch.einsum("oi,nihw->nohw", network.mix_it, _power_pool(state.v4[0], 3, 1))
    lateral = torch.einsum("oi,nihw->nohw", network.lateral, state.it)
    it = _leak("IT", state.it, _inhibit("IT", mixed) + lateral)
    mixed = torch.einsum("oi,nihw->nohw", network.mix_v4, _power_pool(state.v2[0], 3, 1))
    v4 = _leak("V4", state.v4[-1], _inhibit("V4", mixed))
    v2 = _leak("V2", state.v2[-1], _pairs(network, state.v1[0]))
    excess = torch.relu(drive - _SURROUND * state.surround)
    center = state.center + _RATE["V1"] * (excess - state.center)
    source = drive + _RECURRENT * (state.center - drive)
    around = functional.avg_pool2d(functional.pad(source, (2, 2, 2, 2), mode="replicate"), 5, 1)
    state.surround = state.surround + _SURROUND_RATE * (around - state.surround)
    v1 = _normalize("V1", center)
    state.center, state.it = center, it
    state.v1.append(v1)
    state.v2.append(v2)
    state.v4.append(v4)
    return {"V1": v1, "V2": v2, "V4": v4, "IT": it}


def _leak(region: str, before: Tensor, drive: Tensor) -> Tensor:
    return before + _RATE[region] * (_normalize(region, drive) - before)


def _normalize(region: str, activity: Tensor) -> Tensor:
    """Divide by the mean over channels at the same position (Heeger 1992)."""
    return activity / (_HALF[region] + activity.mean(dim=1, keepdim=True))


def _inhibit(region: str, drive: Tensor) -> Tensor:
    """Subtract a share of the mean over channels at the same position, and rectify."""
    return torch.relu(drive - _INHIBITION[region] * drive.mean(dim=1, keepdim=True))


def _power_pool(activity: Tensor, side: int, stride: int, padding: int = 0) -> Tensor:
    squared = activity * activity
    pooled = functional.avg_pool2d(squared * squared, side, stride, padding)
    return torch.sqrt(torch.sqrt(pooled))


def _pairs(network: HiddenNetwork, v1: Tensor) -> Tensor:
    """Return geometric means of pairs of V1 responses, pooled by the fourth power over 4 x 4 positions."""
    _, rows, columns = SHAPES["V1"]
    first = v1[:, network.pair_first].flatten(1)
    padded = functional.pad(v1, (_REACH,) * 4)
    product = first * padded.flatten(1)[:, network.pair_second]
    product = (product * product).view(len(v1), -1, rows, columns)
    return torch.sqrt(torch.sqrt(functional.avg_pool2d(product, 4, 2, 1)))


def _luminance(pictures: npt.NDArray[np.uint8]) -> Tensor:
    """Return the luma (stimulus, 1, 224, 224) in [0, 1]."""
    given = np.asarray(pictures)
    if given.dtype != np.uint8 or given.ndim != 4 or given.shape[1:] != (PICTURE, PICTURE, 3):
        raise InputError(
            f"images of type {given.dtype} and shape {given.shape}",
            allowed=f"uint8, (stimulus, {PICTURE}, {PICTURE}, 3)",
            todo=f"resize the images to {PICTURE} x {PICTURE} RGB",
        )
    # Exact in integers, so that the front end starts from the same bits on every machine.
    luma = given.astype(np.int64) @ np.array([299, 587, 114])
    return torch.from_numpy(luma / 255000.0)[:, None]


def _energies(luminance: Tensor) -> Tensor:
    """Return the amplitudes of Gabor quadrature pairs (stimulus, 24, 14, 14), scale by scale."""
    filters = _gabors()
    energies = []
    for shrink, stride in ((2, 2), (4, 1), (8, 1)):
        small = functional.pad(
            functional.avg_pool2d(luminance, shrink), (4, 4, 4, 4), mode="reflect"
        )
        parts = functional.conv2d(small, filters, stride=stride)
        energy = parts[:, :_ORIENTATIONS] ** 2 + parts[:, _ORIENTATIONS:] ** 2
        side = energy.shape[-1] // SHAPES["V1"][1]
        energies.append(torch.sqrt(torch.sqrt(functional.avg_pool2d(energy**2, side))))
    return torch.cat(energies, dim=1)


def _gabors() -> Tensor:
    """Return Gabor filters (16, 1, 9, 9) with unit norm and zero mean: even, then odd."""
    places = np.arange(9) - 4.0
    envelope = np.exp(-(places[:, None] ** 2 + places[None, :] ** 2) / (2.0 * 2.2**2))
    filters = []
    for phase in (0.0, np.pi / 2.0):
        for angle in np.pi * np.arange(_ORIENTATIONS) / _ORIENTATIONS:
            along = np.cos(angle) * places[None, :] + np.sin(angle) * places[:, None]
            wave = envelope * np.cos(2.0 * np.pi * along / 5.0 + phase)
            wave -= envelope * (wave.sum() / envelope.sum())
            filters.append(wave / np.sqrt((wave**2).sum()))
    return torch.from_numpy(np.stack(filters)[:, None])


def _draw_pairs(rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw two V1 channels and the offset between their positions for each V2 channel."""
    n, (channels, rows, columns) = SHAPES["V2"][0], SHAPES["V1"]
    first, second = rng.integers(channels, size=(2, n))
    down, across = rng.integers(-_REACH, _REACH + 1, size=(2, n))
    row = np.arange(rows)[None, :, None] + _REACH + down[:, None, None]
    column = np.arange(columns)[None, None, :] + _REACH + across[:, None, None]
    wide = columns + 2 * _REACH
    index = (second[:, None, None] * (rows + 2 * _REACH) + row) * wide + column
    return torch.from_numpy(first), torch.from_numpy(index.reshape(-1))


def _draw_mixture(rng: np.random.Generator, *, n_out: int, n_in: int) -> Tensor:
    """Draw weight 1 from one channel, all channels in turn, and weaker weights from two others."""
    weights = np.zeros((n_out, n_in))
    for channel in range(n_out):
        weak = rng.choice(n_in, size=2, replace=False)
        weights[channel, weak] = rng.uniform(-0.3, 0.5, size=2)
        weights[channel, channel % n_in] += 1.0
    return torch.from_numpy(weights)


def _draw_lateral(rng: np.random.Generator, *, n: int) -> Tensor:
    """Draw the excitation of each channel, by itself and two others."""
    weights = np.zeros((n, n))
    for channel in range(n):
        weights[channel, rng.choice(n, size=2, replace=False)] = 0.25 * _LATERAL
        weights[channel, channel] += 0.5 * _LATERAL
    return torch.from_numpy(weights)


def _draw_pools(rng: np.random.Generator, region: str) -> tuple[npt.NDArray[np.intp], Array]:
    """Draw channels and Gaussian windows at random positions; weights are multiples of 2**-10."""
    channels, rows, columns = SHAPES[region]
    rounds = -(-POPULATION // channels)
    channel = np.concatenate([rng.permutation(channels) for _ in range(rounds)])[:POPULATION]
    row, column = rng.uniform([[0.0], [0.0]], [[rows - 1.0], [columns - 1.0]], (2, POPULATION))
    down = np.arange(rows)[None, :, None] - row[:, None, None]
    across = np.arange(columns)[None, None, :] - column[:, None, None]
    window = np.exp(-(down**2 + across**2) / (2.0 * _POOL_SIGMA[region] ** 2))
    window /= window.sum(axis=(1, 2), keepdims=True)
    weights = np.rint(window / _WEIGHT_GRID) * _WEIGHT_GRID
    return channel, weights.reshape(POPULATION, -1)


def _rng(seed: int, *purpose: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([seed, 1000, *purpose]))
