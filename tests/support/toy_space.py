"""A search space of which it is known which networks can learn, and images that they learn at once."""

from dataclasses import dataclass

import numpy as np

from brainbench.core.errors import InputError
from brainbench.training import search, search_space
from brainbench.training.search_space import Drawn

REACHES, TOO_FEW = 6, 3
"""Steps in which the image reaches the logits of the toy network, and in which it does not."""


@dataclass(frozen=True)
class Toy:
    """A feed-forward network whose number of steps decides whether it can learn at all."""

    name: str = "toy"
    version: str = "1"
    recipe: str = "cifar-proxy"
    at_most: int = 100_000_000
    switches: tuple[str, ...] = ("long",)
    motif: tuple[str, ...] = ("long", "kind")
    rate: float = 0.05

    def draw(self, choose):
        long = choose.among("long", (False, True))
        if choose.among("kind", ("cell", "loop", "cell too")) == "loop":
            raise InputError("a loop", allowed="a cell", todo="draw again")
        steps = REACHES if long else TOO_FEW
        rate = choose.between("learning_rate", self.rate, 2 * self.rate, log=True)
        args = {"steps": steps, "size": 8}
        return Drawn(model="ff_small_parameters", model_args=args, recipe={"learning_rate": rate})


def use(monkeypatch, space):
    """Let every name stand for a space, in this process."""
    for module in (search, search_space):
        monkeypatch.setattr(module, "load_space", lambda name: space)


def write_colors(path):
    """Write 48 images of 8 pixels, whose class is their color."""
    rng, labels = np.random.default_rng(0), np.repeat(np.arange(3), 16)
    shown = rng.integers(0, 60, (48, 8, 8, 3), dtype=np.uint8)
    shown[np.arange(48), :, :, labels] += 150
    values = {"val_images": shown[::2], "val_labels": labels[::2]}
    np.savez(path, train_images=shown, train_labels=labels, **values)
    return path
