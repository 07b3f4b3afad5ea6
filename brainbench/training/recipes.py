"""Recipes of training classifiers by name: those of the papers, with their gaps, and one of ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Literal

import pydantic

from brainbench.core.errors import InputError, unknown
from brainbench.training.schedule import Schedule

Augmentation = Literal["resized_crop", "scale_crop", "pad_crop", "none"]


class Recipe(pydantic.BaseModel):
    """How a classifier is trained, by stochastic gradient descent on the cross-entropy of its last step.

    `drops` are epochs after which the learning rate is divided by `divisor`; `checks` is how often in an
    epoch the validation images are classified and a checkpoint is written. `augmentation` is "resized_crop"
    (8 to 100 % of the area at a ratio of 3/4 to 4/3), "scale_crop" (the shorter side at 256/224 to 480/224 of
    the network's input, then a crop: He et al. 2016), "pad_crop" (the image at the network's size, padded by
    an eighth, then a crop), each mirrored half of the time, or "none". `precision` "auto" is
    bfloat16 on a GPU that has it, else float32. `seed` is that of the order of images and of their crops.
    `source` and `gaps` say where it is from, and what is not in the paper.
    """

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    name: str
    epochs: int = pydantic.Field(default=30, ge=1)
    batch: int = pydantic.Field(default=128, ge=1)
    learning_rate: float = pydantic.Field(default=0.1, gt=0)
    divisor: float = pydantic.Field(default=10.0, gt=0)
    drops: tuple[int, ...] = ()
    momentum: float = pydantic.Field(default=0.9, ge=0, lt=1)
    nesterov: bool = False
    weight_decay: float = pydantic.Field(default=0.0, ge=0)
    clip: float | None = pydantic.Field(default=None, gt=0)
    augmentation: Augmentation = "resized_crop"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    checks: int = pydantic.Field(default=1, ge=1)
    seed: int = pydantic.Field(default=0, ge=0)
    source: str = "ours"
    gaps: tuple[str, ...] = ()

    def schedule(self, n_images: int) -> Schedule:
        """Return the schedule for a number of training images; batches may span two epochs."""
        epoch = steps_per_epoch(n_images, self.batch)
        return Schedule(
            name=self.name,
            learning_rate=self.learning_rate,
            divisor=self.divisor,
            phases=1,
            batch=self.batch,
            check_every=max(epoch // self.checks, 1),
            phase_steps=self.epochs * epoch,
            optimizer="sgd",
            momentum=self.momentum,
            nesterov=self.nesterov,
            weight_decay=self.weight_decay,
            clip=self.clip,
            drops=tuple(epoch * drop for drop in self.drops),
            keep="last",
        )


def steps_per_epoch(n_images: int, batch: int) -> int:
    """Return the number of steps that stands for a pass over the images."""
    return max(round(n_images / batch), 1)


_HE: Final = "weight decay, epochs and drops are not in the paper: after He et al. 2016"
_NAYEBI: Final = Recipe(
    name="nayebi2018",
    epochs=90,
    drops=(30, 60),
    learning_rate=0.01,
    nesterov=True,
    weight_decay=1e-4,
    clip=0.7,
    augmentation="scale_crop",
    source="Nayebi et al. 2018, supplement 6.4",
    gaps=(
        _HE,
        "the shift of colors of He et al. 2016 is omitted",
        "an image is shown at every step; the released networks saw a blank after 12 of 17",
    ),
)
_CIFAR: Final = Recipe(
    name="cifar",
    batch=64,
    learning_rate=0.05,
    drops=(15, 24),
    nesterov=True,
    weight_decay=5e-4,
    clip=0.7,
    augmentation="pad_crop",
    source="ours, for images of 32 pixels a side",
)
RECIPES: Final[Mapping[str, Recipe]] = MappingProxyType(
    {
        recipe.name: recipe
        for recipe in (
            _NAYEBI,
            _NAYEBI.model_copy(
                update={
                    "name": "nayebi2018-proxy",
                    "epochs": 5,
                    "drops": (),
                    "source": "Nayebi et al. 2018, supplement 6.5: the proxy of the search",
                    "gaps": (
                        *_NAYEBI.gaps,
                        "its images have 128 pixels a side: give the model size=128",
                    ),
                }
            ),
            Recipe(
                name="cornet_s",
                epochs=43,
                batch=256,
                drops=(20, 40),
                weight_decay=1e-4,
                source="Kubilius et al. 2019, 2.2",
                gaps=(
                    "weight decay is the default of the released script, not in the paper",
                    "epoch 43 was chosen by Brain-Score; here it is the last, unless --monitor chooses it",
                ),
            ),
            _CIFAR,
            _CIFAR.model_copy(
                update={
                    "name": "cifar-proxy",
                    "epochs": 2,
                    "batch": 32,
                    "drops": (),
                    "source": "ours: the proxy of searches among networks for 32 pixels",
                }
            ),
        )
    }
)
"""Recipes by name; each option can be replaced."""
_OWN: Final = ("name", "source", "gaps")


def recipe_named(name: str, options: Mapping[str, Any]) -> Recipe:
    """Return a recipe with other values of some options.

    UnknownNameError for a name that does not exist, InputError that names each option that does not exist or
    is not allowed.
    """
    if name not in RECIPES:
        raise unknown("recipe", name, list(RECIPES), todo="choose --recipe from these")
    recipe = RECIPES[name]
    fixed = [option for option in _OWN if option in options]
    try:
        given = Recipe(**{**recipe.model_dump(), **options})
    except pydantic.ValidationError as error:
        problems = [
            f"{'.'.join(map(str, one['loc']))}={one.get('input')!r}: {one['msg']}"
            for one in error.errors()
        ]
    else:
        problems = [f"{option}= belongs to the recipe" for option in fixed]
        if given.nesterov and given.momentum == 0:
            problems.append("nesterov=true with momentum=0")
        if not problems:
            return given
    known = [
        f"{key} (now {value!r})" for key, value in recipe.model_dump().items() if key not in _OWN
    ]
    raise InputError(
        f"options of the recipe {name}: {'; '.join(problems)}",
        allowed=", ".join(known),
        todo="correct the file of --config, or --set NAME=VALUE",
    )
