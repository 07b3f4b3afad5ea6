"""The fitter `recurrent_v1`: network, loss and preprocessing of Zhang et al. 2020."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import pydantic
import torch
from torch import Tensor

from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.stats.fit_splits import FitSplit
from brainbench.training.fitter import FitConfig
from brainbench.training.population import Population, fitted_neurons
from brainbench_models.recurrent_v1.architecture import (
    Activation,
    Architecture,
    Mode,
    NormOrder,
)
from brainbench_models.recurrent_v1.blocks import start_at
from brainbench_models.recurrent_v1.losses import Loss, penalties, prediction_loss
from brainbench_models.recurrent_v1.multipath import build_multipath
from brainbench_models.recurrent_v1.network import RateModel, build
from brainbench_models.recurrent_v1.paths import Removing
from brainbench_models.recurrent_v1.pictures import GrayCenter

_AT_ONCE: Final = 256  # pictures of a prediction


class RecurrentV1Config(FitConfig):
    """Options of a fit; for those of the network see `Architecture`, for the others `FitConfig`.

    `crop` and `side` are those of `GrayCenter`; responses are divided by each neuron's mean over all
    pictures and multiplied by `mean_response`, or stay as they are (None). `readout_scale` and `smoothness`
    weight the penalties; the defaults are those of the released fits. With `multipath` the multi-path model
    is fitted, without the paths of the lengths `removed`.
    """

    channels: int = 16
    blocks: int = 3
    iterations: int = 3
    mode: Mode = "2-avg"
    activation: Activation = "relu"
    first_norm: NormOrder = "before"
    loss: Loss = "mse"
    side: int = 50
    crop: int | None = None
    mean_response: float | None = 0.5
    readout_scale: float = pydantic.Field(default=0.01, ge=0)
    smoothness: float = pydantic.Field(default=5e-6, ge=0)
    multipath: bool = False
    removed: tuple[int, ...] = ()

    @pydantic.field_validator("removed", mode="before")
    @classmethod
    def _lengths(cls, given: Any) -> Any:
        """Return lengths that were given as one number, or as text separated by commas."""
        if isinstance(given, int):
            return [given]
        return [part for part in given.split(",") if part] if isinstance(given, str) else given

    @pydantic.model_validator(mode="after")
    def _only_of_multipath(self) -> RecurrentV1Config:
        if self.removed and not self.multipath:
            raise ValueError("removed= without multipath=true: only a multi-path model has paths")
        return self

    def architecture(self, n_neurons: int) -> Architecture:
        """Return the network; InputError or UnknownNameError for one that cannot be built."""
        return Architecture(
            n_neurons=n_neurons,
            side=self.side,
            channels=self.channels,
            blocks=self.blocks,
            iterations=self.iterations,
            mode=self.mode,
            activation=self.activation,
            first_norm=self.first_norm,
        )

    @property
    def preprocessing(self) -> GrayCenter:
        """How pictures are prepared."""
        return GrayCenter(side=self.side, crop=self.crop)

    def network(self, n_neurons: int) -> RateModel:
        """Build the network with initial weights."""
        architecture = self.architecture(n_neurons)
        if not self.multipath:
            return build(architecture, seed=self.seed)
        return build_multipath(architecture, seed=self.seed, keeps=Removing(self.removed))


@dataclass(kw_only=True, eq=False)
class RecurrentV1Task:
    """A network, and the pictures and responses that it is fitted to."""

    module: RateModel
    images: Tensor = field(repr=False)  # picture x 1 x side x side, all pictures
    responses: Tensor = field(repr=False)  # picture x fitted neuron
    split: FitSplit = field(repr=False)
    config: RecurrentV1Config
    fitted: IntArray  # numbers of the fitted neurons
    n_neurons: int  # with those that are not fitted

    @property
    def n_rows(self) -> int:
        """Number of training pictures."""
        return len(self.split.train)

    def loss(self, rows: Tensor) -> Tensor:
        """Return the loss of some training pictures, with the penalties."""
        chosen = torch.as_tensor(self.split.train)[rows].to(self.images.device)
        outputs = self.module.outputs(self.images[chosen])
        error = prediction_loss(outputs, self.responses[chosen], self.config.loss)
        return error + penalties(
            self.module,
            readout_scale=self.config.readout_scale,
            smoothness=self.config.smoothness,
        )

    def validation(self) -> float:
        """Return the loss of the validation pictures, without the penalties."""
        rows = torch.as_tensor(self.split.validate, device=self.images.device)
        total = 0.0
        for chunk in torch.split(rows, _AT_ONCE):
            outputs = self.module.outputs(self.images[chunk])
            loss = prediction_loss(outputs, self.responses[chunk], self.config.loss)
            total += float(loss) * len(chunk)
        return total / len(rows)

    def predict(self, rows: IntArray) -> FloatArray:
        """Return predictions of all neurons, 0 for those that are not fitted, picture x neuron."""
        self.module.eval()
        predicted = np.zeros((len(rows), self.n_neurons))
        with torch.no_grad():
            for first in range(0, len(rows), _AT_ONCE):
                chosen = torch.as_tensor(rows[first : first + _AT_ONCE])
                rates = self.module(self.images[chosen.to(self.images.device)])
                predicted[first : first + _AT_ONCE, self.fitted] = rates.cpu().numpy()
        return predicted


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedRecurrentV1:
    """Pictures and responses, prepared once for all splits."""

    config: RecurrentV1Config
    images: Tensor
    responses: Tensor
    fitted: IntArray
    n_neurons: int

    def task(self, split: FitSplit) -> RecurrentV1Task:
        """Return a network that begins at the mean response to the training pictures."""
        module = self.config.network(len(self.fitted))
        train = torch.as_tensor(split.train, device=self.responses.device)
        mean = self.responses[train].mean(dim=0).cpu()
        start_at(module.readout, mean, self.config.activation)
        return RecurrentV1Task(
            module=module.to(self.images.device),
            images=self.images,
            responses=self.responses,
            split=split,
            config=self.config,
            fitted=self.fitted,
            n_neurons=self.n_neurons,
        )


class RecurrentV1Fitter:
    """Feed-forward, recurrent and multi-path models of mean rates (Zhang et al. 2020)."""

    name: Final[Literal["recurrent_v1"]] = "recurrent_v1"
    config_type: Final = RecurrentV1Config

    def prepare(
        self, config: RecurrentV1Config, population: Population, device: torch.device
    ) -> PreparedRecurrentV1:
        """Prepare pictures and responses.

        Raises
        ------
        InputError
            A network that cannot be built, or neurons that cannot be fitted.
        StimulusError
            A picture that is too small; named.
        """
        fitted = fitted_neurons(population, config.leave_out)
        config.network(len(fitted))  # raises before pictures are read
        responses = population.responses[:, fitted]
        if config.mean_response is not None:
            responses = config.mean_response * responses / responses.mean(axis=0)
        images = config.preprocessing.of(population.stimuli)
        return PreparedRecurrentV1(
            config=config,
            images=torch.from_numpy(images).to(device),
            responses=torch.as_tensor(responses, dtype=torch.float32, device=device),
            fitted=fitted,
            n_neurons=len(population.neuroid_ids),
        )


FITTER: Final = RecurrentV1Fitter()
