"""Recurrent V1 networks as models: untrained ones by name, fitted ones from their files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError
from brainbench.core.model import FittedTo, Probe
from brainbench.core.model_info import About, Diagram
from brainbench.core.presentation import CONSTANT, Kind, Presentation
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Timeline
from brainbench.data.fetch import digest_of_file
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.training.fitted_files import FittedFile, read_fitted
from brainbench.training.fitter import config_of
from brainbench_models._options import check_option
from brainbench_models.recurrent_v1.architecture import Architecture, Mode
from brainbench_models.recurrent_v1.fitter import FITTER, RecurrentV1Config
from brainbench_models.recurrent_v1.network import RateModel, build
from brainbench_models.recurrent_v1.pictures import GrayCenter

PAPER: Final = (
    "Zhang, Rockwell, Huang, Tsou, Wei & Lee, 2020, Recurrent circuits as multi-path ensembles"
)
REGIONS: Final = ("V1", "V2")
VERSION: Final = "recurrent_v1-1"


class AllUnits(nn.Module):
    """A fitted network with a unit for each neuron of its recordings, 0 where a neuron was not fitted."""

    def __init__(self, net: RateModel, fitted: Sequence[int], n_neurons: int) -> None:
        super().__init__()
        self.net = net
        self.n_neurons = n_neurons
        self.register_buffer("fitted", torch.as_tensor(fitted, dtype=torch.int64))
        self.units = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Return the rates of all neurons, (image, neuron)."""
        rates = self.net(images[:, :1])
        everywhere = rates.new_zeros(len(rates), self.n_neurons)
        every: Tensor = self.units(everywhere.index_copy(1, self.get_buffer("fitted"), rates))
        return every


class GrayInput(nn.Module):
    """A network of gray images that is given three equal channels."""

    def __init__(self, net: RateModel) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        """Return the rates."""
        rates: Tensor = self.net(images[:, :1])
        return rates


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedRates:
    """A fitted model: unit k predicts neuron k, of each image by the fit that it was held out of.

    Parameters
    ----------
    fits : tuple of WrappedModel
        The network of each fit.
    fitted_to : FittedTo
        Recordings, neurons, and the images that were held out of each fit. Images that no fit had, and those
        that each fit had, get the response of the first one.
    """

    fits: tuple[WrappedModel, ...]
    fitted_to: FittedTo

    @property
    def name(self) -> str:
        """Stem of the file, with the schedule if it is not the published one and digits of the content."""
        return self.fits[0].name

    @property
    def weights(self) -> str:
        """Schedule and digits of the name, after `fit-`."""
        return self.fits[0].weights

    @property
    def areas(self) -> Mapping[str, Sequence[str]]:
        """The region of the neurons, and the layer of their rates."""
        return self.fits[0].areas

    @property
    def clocks(self) -> Mapping[str, Timeline]:
        """None but that of one state per image."""
        return self.fits[0].clocks

    @property
    def static(self) -> bool:
        """Whether there is one state per image: there is."""
        return self.fits[0].static

    @property
    def presentations(self) -> Collection[Kind]:
        """Kinds of presentation."""
        return self.fits[0].presentations

    @property
    def notes(self) -> Sequence[str]:
        """What marks every score, such as another schedule than the published one."""
        return self.fits[0].notes

    @property
    def about(self) -> About:
        """Citation and license."""
        return self.fits[0].about

    @property
    def device(self) -> str:
        """Where it computes."""
        return self.fits[0].device

    @property
    def precision(self) -> str:
        """In which precision it computes."""
        return self.fits[0].precision

    @property
    def digest(self) -> str:
        """SHA-256 over all networks and the images held out of each."""
        folds = [" ".join(fold) for fold in self.fitted_to.folds]
        return sha256("fitted", *(fit.digest for fit in self.fits), *folds)

    @cached_property
    def _fold_of(self) -> dict[str, int]:
        return {name: k for k, fold in enumerate(self.fitted_to.folds) for name in fold}

    def activations(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> dict[str, Assembly]:
        """Return responses of each layer, (stimulus, neuroid, time), in the order of the stimuli."""
        if len(self.fits) == 1:
            return self.fits[0].activations(stimuli, layers, presentation)
        folds = np.array([self._fold_of.get(name, 0) for name in stimuli.ids])
        rows = [np.flatnonzero(folds == k) for k in range(len(self.fits))]
        parts: list[Mapping[str, Assembly]] = [
            fit.activations(stimuli.take(own.tolist()), layers, presentation)
            for fit, own in zip(self.fits, rows, strict=True)
            if len(own)
        ]
        back = np.argsort(np.concatenate(rows), kind="stable")
        return {
            layer: xr.concat([part[layer] for part in parts], dim="stimulus").isel(stimulus=back)
            for layer in layers
        }

    def on(self, **placement: Any) -> FittedRates:
        """Return the model on a device, with a batch size and a precision."""
        return replace(self, fits=tuple(fit.on(**placement) for fit in self.fits))

    def probe(
        self, stimuli: StimulusSet, layers: Sequence[str], presentation: Presentation = CONSTANT
    ) -> Probe | None:
        """Return sizes and speed, those of the first fit."""
        return self.fits[0].probe(stimuli, layers, presentation)

    def pinned(self) -> FittedRates:
        """Return the model for one run."""
        return replace(self, fits=tuple(fit.pinned() for fit in self.fits))


def fitted_networks(file: FittedFile) -> list[RateModel]:
    """Return the network of each fit with its weights, in evaluation."""
    config = config_of(RecurrentV1Config, file.config, fitter=file.fitter)
    nets = []
    for weights in file.weights:
        net = config.network(len(file.fitted))
        net.load_state_dict(dict(weights))
        nets.append(net.eval())
    return nets


def fitted_model(path: str | Path, /) -> FittedRates:
    """Make a model of a file that `brainbench fit run` has written.

    Raises
    ------
    InputError
        No such file, or one that holds other weights.
    DamagedFileError
        A file that is not whole.
    """
    path = Path(path).expanduser()
    file = read_fitted(path)
    if file.fitter != FITTER.name:
        raise InputError(
            f"{path}, fitted by {file.fitter!r}",
            allowed=f"a file of the fitter {FITTER.name}",
            todo="install the package of that fitter",
        )
    config = config_of(RecurrentV1Config, file.config, fitter=file.fitter)
    schedule = f"{file.config['schedule']}-" if file.is_quick else ""
    weights, to = f"fit-{schedule}{digest_of_file(path)[:12]}", file.fitted_to
    architecture = config.architecture(len(file.fitted))
    fits = tuple(
        replace(
            wrap(
                AllUnits(net, file.fitted, len(to.neuroid_ids)).eval(),
                layers={to.region: "units"},
                name=f"{path.stem}@{weights}",
                weights=weights,
                version=VERSION,
                about=_about(architecture, source=f"file {path}"),
            ),
            preprocess=config.preprocessing,
            notes=_notes(file),
        )
        for net in fitted_networks(file)
    )
    return FittedRates(fits=fits, fitted_to=to)


def _notes(file: FittedFile) -> tuple[str, ...]:
    schedule = file.config["schedule"]
    marked = f"fitted with the schedule {schedule!r}, not the published one"
    return (marked,) if file.is_quick else ()


def recurrent_v1(
    *,
    weights: str = "untrained-0",
    channels: int = 16,
    blocks: int = 3,
    iterations: int = 3,
    mode: Mode = "2-avg",
    image_size: int = 50,
) -> WrappedModel:
    """Make an untrained recurrent model, whose layer `net.top` is what its read-out would see.

    Parameters
    ----------
    weights : str
        "untrained-SEED"; `brainbench fit run recurrent_v1` fits one.
    channels, blocks, iterations, mode
        See `Architecture`; other values than these become part of the name.
    image_size : int
        Height and width in pixels.
    """
    stem, _, seed = weights.partition("-")
    is_untrained = stem == "untrained" and seed.isascii() and seed.isdecimal()
    check_option(
        "weights",
        weights,
        "recurrent_v1",
        valid=is_untrained,
        allowed="untrained-0, untrained-1, ...",
    )
    architecture = Architecture(
        n_neurons=1,
        side=image_size,
        channels=channels,
        blocks=blocks,
        iterations=iterations,
        mode=mode,
    )
    model = wrap(
        GrayInput(build(architecture, seed=int(seed))).eval(),
        layers=dict.fromkeys(REGIONS, "net.top"),
        name=f"{_name(architecture)}@{weights}",
        weights=weights,
        version=VERSION,
        about=_about(architecture, source="written from the paper and facts of its released code"),
    )
    return replace(model, preprocess=GrayCenter(side=image_size))


def _name(architecture: Architecture) -> str:
    usual = Architecture(n_neurons=1, iterations=3, mode="2-avg")
    words = {
        "channels": f"{architecture.channels}channels",
        "blocks": f"{architecture.blocks}blocks",
        "iterations": f"{architecture.iterations}steps",
        "mode": architecture.mode,
        "side": f"{architecture.side}px",
    }
    changed = [
        word for key, word in words.items() if getattr(architecture, key) != getattr(usual, key)
    ]
    return "-".join(["recurrent_v1", *changed])


def _about(architecture: Architecture, *, source: str) -> About:
    return About(
        citation=PAPER,
        license="MIT",
        source=source,
        depth=1 + architecture.n_upper,
        graph=unrolled(architecture),
    )


def unrolled(architecture: Architecture) -> Diagram:
    """Return the graph of a network, unrolled over its iterations."""
    steps, n = range(1, architecture.iterations + 1), architecture.n_upper
    kind = "RCPB" if architecture.is_recurrent else "CPB"

    def node(block: int, t: int) -> str:
        return f"{kind}{block + 1}" + (f" t{t}" if architecture.is_recurrent else "")

    read = [architecture.iterations] if architecture.mode == "no-avg" else list(steps)
    edges = []
    for t in steps:
        for k in range(n):
            edges.append((node(k - 1, t) if k else "CPB 9x9", node(k, t)))
            if t > 1:
                edges.append((node(k, t - 1), node(k, t)))
    return Diagram(
        nodes=(
            "image",
            "CPB 9x9",
            *(node(k, t) for t in steps for k in range(n)),
            "read-out",
        ),
        feedforward=(
            ("image", "CPB 9x9"),
            *edges,
            *((node(n - 1, t), "read-out") for t in read),
        ),
        captions={"read-out": architecture.mode if architecture.is_recurrent else ""},
    )
