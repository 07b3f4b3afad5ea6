"""The order in which training examples are seen."""

from __future__ import annotations

import torch
from torch import Tensor


class Batches:
    """Rows of the training examples, pass after pass in a new random order; a batch may span two passes.

    Parameters
    ----------
    n_rows, size : int
        Number of training examples, and of those in a batch: at most all.
    seed : int
        Of the orders.
    """

    def __init__(self, n_rows: int, size: int, *, seed: int) -> None:
        self.n_rows, self.size = n_rows, min(size, n_rows)
        self._generator = torch.Generator().manual_seed(seed)
        self._left = torch.empty(0, dtype=torch.int64)

    def next(self) -> Tensor:
        """Return the rows of the next batch, without a row twice within one pass."""
        while len(self._left) < self.size:
            order = torch.randperm(self.n_rows, generator=self._generator)
            self._left = torch.cat([self._left, order])
        rows, self._left = self._left[: self.size], self._left[self.size :]
        return rows

    def state(self) -> dict[str, Tensor]:
        """Return what the next batches depend on."""
        return {"generator": self._generator.get_state(), "left": self._left.clone()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self._generator.set_state(state["generator"])
        self._left = state["left"].clone()
