"""Responses of a network to a stimulus set, batch by batch, with images that are shown again as a check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import ActivationError
from brainbench.core.movies import Movies
from brainbench.core.presentation import CONSTANT, Presentation
from brainbench.core.stimuli import StimulusSet
from brainbench.core.timeline import Timeline
from brainbench.models.batching import in_batches
from brainbench.models.before_batch import BeforeBatch
from brainbench.models.hooks import Calls
from brainbench.models.network import Forward, Network, Precision
from brainbench.models.preprocessing import Preprocessing
from brainbench.models.repeat_checks import RepeatCheck, ends
from brainbench.models.response_checks import CheckedResponse, check_response

Batch = dict[str, CheckedResponse]


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """A network that is ready to run, the stimuli that it is shown, and how its responses are read."""

    network: Network
    forward: Forward
    preprocess: Preprocessing
    stimuli: StimulusSet
    calls: Mapping[str, Calls]
    batch_axes: Mapping[str, int]
    clock: Timeline
    before_batch: BeforeBatch
    precision: Precision
    presentation: Presentation = CONSTANT
    frame_ms: float | None = None  # between the frames of a movie that the network takes

    def input_of(self, rows: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return preprocessed images, (n, 3, height, width), or frames, (n, frame, 3, height, width)."""
        if not isinstance(self.stimuli, Movies):
            return self.preprocess([self.stimuli.picture(index) for index in rows])
        return np.stack([self._frames_of(self.stimuli, index) for index in rows])

    def _frames_of(self, movies: Movies, index: int) -> npt.NDArray[np.float32]:
        """Return the preprocessed frames of a movie, one for each step of the network's input."""
        assert self.frame_ms is not None  # noqa: S101  # `wrap` asks for it with "movie"
        total_ms = self.presentation.total_ms
        numbers = movies.numbers(index, frame_ms=self.frame_ms, total_ms=total_ms)
        shown, steps = np.unique(numbers, return_inverse=True)
        frames = movies.frames(index)
        return self.preprocess([frames[number] for number in shown])[steps]

    def show(self, rows: Sequence[int]) -> Batch:
        """Return the checked responses of each layer to the stimuli in these rows, in this order."""
        images = self.input_of(rows)
        ids = [self.stimuli.ids[index] for index in rows]
        self.before_batch.prepare(images)
        try:
            responses = self.forward(images)
        except ActivationError as error:
            raise error.naming(ids) from error.__cause__
        return {
            layer: check_response(
                layer,
                response,
                ids=ids,
                clock=self.clock,
                calls=self.calls[layer],
                batch_axis=self.batch_axes[layer],
            )
            for layer, response in responses.items()
        }

    def show_range(self, start: int, stop: int) -> Batch:
        """Return the checked responses of each layer to the stimuli from `start` to before `stop`."""
        return self.show(range(start, stop))

    def batches(self, size: int) -> Iterator[tuple[int, int, Batch]]:
        """Yield (start, stop, responses) for batches of at most `size`, in order and without gaps.

        After the first batch a smaller one repeats its last two images, and the first batch is repeated in
        reverse order at the end, before a shorter last batch: ActivationError if a response depends on
        anything but its image, see `RepeatCheck`.
        """
        n = len(self.stimuli)
        state = self.network.state()
        check: RepeatCheck | None = None
        is_repeated = False
        for start, stop, batch in in_batches(n, size, self.show_range, nbytes=batch_bytes):
            yield start, stop, batch
            if check is None:
                check = RepeatCheck(
                    show=self.show,
                    state=state,
                    batch_axes=self.batch_axes,
                    precision=self.precision,
                    size=stop,
                    shown=ends(batch, stop),
                )
            # A network may forget between batches of different sizes, so it is not asked after a shorter one.
            if not is_repeated and n - stop < stop - start:
                try:
                    check.repeat_first()
                except ActivationError:
                    if start == 0:
                        check.show_fewer()  # it may name a wrong axis of the batch as the cause
                    raise
                is_repeated = True
            if start == 0:
                check.show_fewer()


def batch_bytes(batch: Batch) -> int:
    """Return the size of the responses of all layers in bytes."""
    return sum(checked.nbytes for checked in batch.values())
