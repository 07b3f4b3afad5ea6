"""From the logits of every step to one answer: which step counts, for each image."""

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
    """Step whose logits are the answer, for each image.

    Parameters
    ----------
    logits : Tensor, shape (batch, step, class)
        Of every step.
    decoder : {"last", "max_conf", "threshold"}
        The last step; the step at which the largest probability is largest; the first step at which it
        reaches `threshold`, or the former where it never does.
    start : int
        First step that counts, for the last two; the last step alone where there is none.
    beta : float
        Probabilities are softmax(beta * logits). Trained for "max_conf" in the released networks.
    threshold : float
        For "threshold".

    Returns
    -------
    Tensor of int, shape (batch,)

    Raises
    ------
    UnknownNameError
        A decoder that there is not.

    Examples
    --------
    >>> logits = torch.tensor([[[0.0, 0.0], [3.0, 0.0], [9.0, 0.0], [2.0, 0.0]]])
    >>> [int(decoded_step(logits, decoder)) for decoder in DECODERS]
    [3, 2, 1]
    """
    if decoder not in DECODERS:
        raise unknown("decoder", str(decoder), DECODERS, todo="choose decoder= from these")
    steps = logits.shape[1]
    start = min(start, steps - 1)
    if decoder == "last":
        return torch.full((len(logits),), steps - 1, device=logits.device)
    confidence = torch.softmax(beta * logits[:, start:], dim=2).amax(2)
    best = confidence.argmax(1)
    if decoder == "threshold":
        sure = confidence >= threshold
        best = torch.where(sure.any(1), sure.int().argmax(1), best)
    return best + start
