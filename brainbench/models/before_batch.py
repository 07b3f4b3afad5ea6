"""Seeds and resets before each batch, for networks that are random or keep state between images."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from brainbench.core.errors import InputError
from brainbench.core.provenance import sha256
from brainbench.models.digests import digest_of
from brainbench.models.forward_errors import explained
from brainbench.models.network import Images
from brainbench.models.torch_state import set_seeds


@dataclass(frozen=True, kw_only=True)
class BeforeBatch:
    """Seed and reset of a network, both optional.

    With a `seed`, images are shown one at a time, and before each the global random states of torch, numpy
    and Python are seeded by the SHA-256 of `seed` and that preprocessed image: a response depends on the
    image, not on batches or on the order of images. `reset` is the name of a method of `network` without
    arguments, or a function of the network; it is called before each batch. InputError for another seed or
    reset.
    """

    network: Any = field(default=None, repr=False)
    seed: int | None = None
    reset: str | Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        if inspect.ismethod(self.reset) and self.reset.__self__ is self.network:
            object.__setattr__(self, "reset", self.reset.__name__)
        if self.seed is not None and (type(self.seed) is not int or self.seed < 0):
            raise InputError(
                f"seed={self.seed!r}", allowed="a whole number from 0, or None", todo="give seed=0"
            )
        method = getattr(self.network, self.reset, None) if isinstance(self.reset, str) else None
        is_method = callable(method) and not isinstance(method, nn.Module)
        if self.reset is not None and not callable(self.reset) and not is_method:
            raise InputError(
                f"reset={self.reset!r} for a {type(self.network).__name__}",
                allowed="the name of a method of the network, or a function of the network",
                todo="name a method that takes no arguments, such as reset='reset_state'",
            )

    def prepare(self, images: Images) -> None:
        """Reset the network and set the seeds for a batch of preprocessed images.

        ActivationError for a reset that fails.
        """
        with explained(self.network, images):
            if isinstance(self.reset, str):
                getattr(self.network, self.reset)()
            elif self.reset is not None:
                self.reset(self.network)
        if self.seed is not None:
            digest = sha256(str(self.seed), repr(images.shape), images.tobytes())
            set_seeds(int(digest[:8], 16))

    def digest_parts(self, name: str, *, device: str, declared: str | None) -> tuple[str, ...]:
        """Return what the digest of a model contains of it: nothing if nothing is done.

        Random numbers differ between types of device, so a seeded network has another digest on each.
        `declared` replaces the code of `reset`.
        """
        parts: tuple[str, ...] = ()
        if self.seed is not None:
            parts += ("seed", str(self.seed), device.partition(":")[0])
        if isinstance(self.reset, str):
            parts += ("reset", self.reset)
        elif self.reset is not None:
            parts += ("reset", "declared" if declared else digest_of(self.reset, name=name))
        return parts
