"""Decoders: which step's logits are a network's answer, for each image."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from brainbench.core.errors import unknown

Decoder = Literal["last", "max_conf", "threshold"]
DECODERS: tuple[Decoder, ...] = ("last", "max_conf", "threshold")


def decoded_step(
    logits: Tensor,
    decoder: Decoder = "last",
    *,
    start: int = 0,
    beta: float = 1.0,
    threshold: float = 0.9,
) -> Tensor:
    """Return the step whose logits are the answer, for each image: int, shape (batch,).

    `logits` are (batch, step, class). The decoder "last" takes the last step, "max_conf" the step at
    which the most probable class is most probable, and "threshold" the first step at which the
    probability of a class reaches `threshold`, and that of "max_conf" if none does. The latter two begin
    at step `start`; if it is beyond the last step, they take the last step. Probabilities are
    softmax(beta * logits); beta was trained for "max_conf" in the released networks. UnknownNameError for
    another decoder.
    """
    if decoder not in DECODERS:
        raise unknown("decoder", str(decoder), DECODERS, todo="choose decoder= from these")
    last = logits.shape[1] - 1
    if decoder == "last":
        return torch.full((len(logits),), last, device=logits.device)
    start = min(start, last)
    confidence = torch.softmax(beta * logits[:, start:], dim=2).amax(2)
    step = confidence.argmax(1)
    if decoder == "threshold":
        reached = confidence >= threshold
        step = torch.where(reached.any(1), reached.int().argmax(1), step)
    return step + start
