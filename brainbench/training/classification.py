"""A network that is trained to classify images: what the loop needs of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from brainbench.core import progress
from brainbench.core.errors import InputError, StimulusError
from brainbench.core.model import BrainModel
from brainbench.core.stimuli import Picture
from brainbench.metrics.array_types import FloatArray
from brainbench.models.forward_errors import explained
from brainbench.models.network import TorchNetwork
from brainbench.models.preprocessing import Preprocess
from brainbench.training.augmentation import NUMBERS, augment
from brainbench.training.image_data import ImageData, LabeledImages
from brainbench.training.recipes import Recipe

Values = npt.NDArray[np.float32]
_VALIDATED = 100  # images of a batch that is classified


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """The torch module of a model, with logits for each class, and how it wants its images.

    Parameters
    ----------
    name : str
        Of the model.
    net : Module
        Images, (batch, 3, height, width), to logits, (batch, class).
    preprocess : Preprocess
        From pictures to images.
    device : torch.device
        Where is computed.
    """

    name: str
    net: nn.Module = field(repr=False)
    preprocess: Preprocess
    device: torch.device

    @classmethod
    def of(cls, model: BrainModel, device: torch.device) -> Classifier:
        """Return the network of a model; InputError unless it is a torch module with a size of images."""
        network, preprocess = (getattr(model, name, None) for name in ("network", "preprocess"))
        trainable = isinstance(network, TorchNetwork) and network.call is None
        if not trainable or not isinstance(preprocess, Preprocess) or preprocess.size is None:
            raise InputError(
                f"model {model.name}, which cannot be trained or give classes of images",
                allowed="a torch module that is called with images alone, and declares their size",
                todo="wrap it with preprocess=Preprocess(size=...)",
            )
        assert isinstance(network, TorchNetwork)  # noqa: S101  # `trainable` says so
        return cls(
            name=model.name,
            net=network.net.to(device),
            preprocess=preprocess,
            device=device,
        )

    def images(self, pictures: list[Picture]) -> Tensor:
        """Return pictures as the network takes them."""
        return torch.from_numpy(self.preprocess(pictures)).to(self.device)

    def check_classes(self, data: ImageData) -> None:
        """Raise InputError where the network has not one logit for each class of the data."""
        height, width = self.preprocess.size or (1, 1)
        black = self.images([np.zeros((height, width, 3), np.uint8)])
        with torch.no_grad(), explained(self.net, black):
            logits = self.net.eval()(black)
        if not isinstance(logits, Tensor) or logits.shape != (1, len(data.classes)):
            shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise InputError(
                f"{self.name} gives {shape} for an image, and the data have {len(data.classes)} classes",
                allowed=f"logits of shape (1, {len(data.classes)})",
                todo=f"give the model as many classes: --model-args classes={len(data.classes)}",
            )


@dataclass(kw_only=True)
class ClassificationTask:
    """A classifier and its images, for `training.loop`; random crops follow the random numbers of torch.

    `skip_unreadable` omits images that cannot be read, and keeps their rows in `skipped`; otherwise one is a
    StimulusError that names it. Errors of validation images are never skipped.
    """

    classifier: Classifier
    data: ImageData
    recipe: Recipe
    skip_unreadable: bool = False
    skipped: set[int] = field(default_factory=set)

    def state(self) -> list[int]:
        """Return the rows that were skipped."""
        return sorted(self.skipped)

    def restore(self, state: list[int]) -> None:
        """Go on with the rows that were skipped."""
        self.skipped = set(state)

    @property
    def module(self) -> nn.Module:
        """The network."""
        return self.classifier.net

    @property
    def n_rows(self) -> int:
        """Number of training images."""
        return len(self.data.train.labels)

    def loss(self, rows: Tensor) -> Tensor:
        """Return the mean cross-entropy of the logits that the network returns: those of its last step."""
        images, labels = self.batch(rows)
        with torch.autocast(self.classifier.device.type, torch.bfloat16, enabled=self.is_mixed):
            logits: Tensor = self.module(images)
        return cross_entropy(logits.float(), labels)

    @property
    def is_mixed(self) -> bool:
        """Whether convolutions are computed in bfloat16."""
        if self.recipe.precision == "auto":
            on_gpu = self.classifier.device.type == "cuda"
            return on_gpu and torch.cuda.is_bf16_supported()
        return self.recipe.precision == "bfloat16"

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return images, augmented and normalized, and labels of some training images."""
        numbers = torch.rand(len(rows), NUMBERS, dtype=torch.float64).numpy()
        listed = rows.tolist()
        read = list(self._readers.map(self._picture, listed, numbers))
        kept = [k for k, picture in enumerate(read) if picture is not None]
        if not kept:
            raise InputError(
                f"a batch of {len(rows)} images none of which can be read",
                allowed="images that can be read",
                todo="replace the files, or remove them",
            )
        images = self._shown.images([picture for picture in read if picture is not None])
        labels = torch.from_numpy(self.data.train.labels[[listed[k] for k in kept]])
        return images, labels.to(self.classifier.device)

    @cached_property
    def _readers(self) -> ThreadPoolExecutor:
        """Threads that read and augment images; they end with the task."""
        return ThreadPoolExecutor()

    @cached_property
    def _shown(self) -> Classifier:
        """The classifier as it gets augmented images, which are cropped already."""
        if self.recipe.augmentation == "none":
            return self.classifier
        return replace(
            self.classifier, preprocess=replace(self.classifier.preprocess, crop_from=None)
        )

    def _picture(self, row: int, numbers: FloatArray) -> Picture | None:
        size = self.classifier.preprocess.size
        assert size is not None  # noqa: S101  # `Classifier.of` refuses others
        try:
            picture = self.data.train.pictures[row]
        except StimulusError as error:
            if not self.skip_unreadable:
                raise
            if row not in self.skipped:
                self.skipped.add(row)
                progress.current().note(f"skipped: {error.got}")
            return None
        return augment(picture, self.recipe.augmentation, size, numbers.tolist())

    def validation(self) -> float:
        """Return the share of the validation images whose class is not the most probable one."""
        best = outputs(self.classifier, self.data.val, partial(_best_class, self.classifier.net))
        return 1 - float((best == self.data.val.labels).mean())


def _best_class(net: nn.Module, images: Tensor) -> Tensor:
    best: Tensor = net(images).argmax(1)
    return best


def outputs(
    classifier: Classifier, given: LabeledImages, compute: Callable[[Tensor], Tensor]
) -> Values:
    """Return what is computed of all images in batches, without gradients: a row for each image."""
    classifier.net.eval()
    done = []
    with torch.no_grad(), ThreadPoolExecutor() as pool:
        for start in range(0, len(given.labels), _VALIDATED):
            rows = range(start, min(start + _VALIDATED, len(given.labels)))
            images = classifier.images(list(pool.map(given.pictures.__getitem__, rows)))
            done.append(compute(images).float().cpu().numpy())
    return np.concatenate(done)
