"""What a recurrent V1 model is made of: sizes, iterations, read-out mode (Zhang et al. 2020, 3.1 to 3.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal, get_args

from brainbench.core.errors import InputError, unknown

Mode = Literal["no-avg", "early-avg", "late-avg", "2-avg"]
"""How the outputs of the iterations are put together (figure 2, eqs. 2a to 2d)."""
MODES: Final[tuple[Mode, ...]] = get_args(Mode)
Activation = Literal["relu", "softplus", "linear"]
"""The paper's are relu and softplus; a linear model equals its multi-path model exactly."""
ACTIVATIONS: Final[tuple[Activation, ...]] = get_args(Activation)
NormOrder = Literal["before", "after"]
NORM_ORDERS: Final[tuple[NormOrder, ...]] = get_args(NormOrder)
FIRST_KERNEL: Final = 9
KERNEL: Final = 3
POOL: Final = 3
MOST_ITERATIONS: Final = 50


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Sizes of a model; a feed-forward and a recurrent model of the same `blocks` and `channels` match.

    Parameters
    ----------
    n_neurons : int
        Neurons whose mean rates are predicted.
    side : int
        Height and width of the images: 50 (ImageNet 8K) and 37 (NS 2250) in the paper.
    channels : int
        Channels of each convolution, 8 to 64 in the paper.
    blocks : int
        Convolutional blocks of the feed-forward model, odd: one of 9 x 9 and an even number of 3 x 3. Two of
        the latter are as large as one recurrent block, which takes their place where `iterations` > 1.
    iterations : int
        Iterations T: 1 for the feed-forward model, 2 to 7 in the paper.
    mode : {"no-avg", "early-avg", "late-avg", "2-avg"}
        How the outputs of the iterations are put together; all are the same at T = 1.
    activation : {"relu", "softplus", "linear"}
        Of all blocks and of the output.
    first_norm : {"before", "after"}
        Whether the batch normalization of the first block comes before or after its activation.

    Raises
    ------
    InputError, UnknownNameError
        A size that is not allowed, images smaller than the kernels, or a mode or word that does not exist.
    """

    n_neurons: int
    side: int = 50
    channels: int = 16
    blocks: int = 3
    iterations: int = 1
    mode: Mode = "no-avg"
    activation: Activation = "relu"
    first_norm: NormOrder = "before"

    def __post_init__(self) -> None:
        for name, allowed in (
            ("mode", MODES),
            ("activation", ACTIVATIONS),
            ("first_norm", NORM_ORDERS),
        ):
            if getattr(self, name) not in allowed:
                todo = f"give {name}= one of these"
                raise unknown(f"{name} of recurrent_v1", getattr(self, name), allowed, todo=todo)
        self._check("n_neurons", least=1)
        self._check("channels", least=1)
        self._check("iterations", least=1, most=MOST_ITERATIONS)
        self._check("blocks", least=3)
        if self.blocks % 2 == 0:
            raise InputError(
                f"blocks={self.blocks} for recurrent_v1",
                allowed="an odd number from 3: a block of 9 x 9 and pairs of 3 x 3, each as large as one "
                "recurrent block",
                todo="give blocks=3 or blocks=5",
            )
        if not _is_whole(self.side) or self.side < FIRST_KERNEL:
            raise InputError(
                f"images of {self.side} x {self.side} pixels for recurrent_v1, whose first kernels are "
                f"{FIRST_KERNEL} x {FIRST_KERNEL}",
                allowed=f"a side of at least {FIRST_KERNEL} pixels; 50 and 37 in the paper",
                todo="give a larger side=, or larger images",
            )

    def _check(self, name: str, *, least: int, most: int | None = None) -> None:
        value = getattr(self, name)
        if _is_whole(value) and least <= value <= (most or value):
            return
        raise InputError(
            f"{name}={value!r} for recurrent_v1",
            allowed=f"a whole number from {least}" + (f" to {most}" if most else ""),
            todo=f"give another {name}=",
        )

    @property
    def is_recurrent(self) -> bool:
        """Whether blocks run several times."""
        return self.iterations > 1

    @property
    def n_upper(self) -> int:
        """Blocks above the first: recurrent ones, or twice as many that run once."""
        return (self.blocks - 1) // 2 if self.is_recurrent else self.blocks - 1

    @property
    def pooled_side(self) -> int:
        """Height and width that the read-out sees."""
        return math.ceil((self.side - FIRST_KERNEL + 1) / POOL)

    def feedforward(self) -> Architecture:
        """Return the feed-forward model of matched size."""
        return replace(self, iterations=1, mode="no-avg")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
