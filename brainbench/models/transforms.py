"""Preprocessing by functions: transforms of torchvision and timm, image processors of transformers, own ones.

A function is run once on small test images before any network is, so that one that returns something else
than a network takes, or something else each time, is an error where it is given.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
import torch
from PIL import Image

from brainbench.core.errors import InputError, StimulusError
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import Picture
from brainbench.models.digests import digest_of
from brainbench.models.preprocessing import check_one_size, rgb

_TESTED_SIZES = ((288, 320), (320, 288))  # large enough for the crop of most networks
_REPEATS = (
    8  # for generators of a transform's own; draws from the usual ones are seen in their states
)


@dataclass(frozen=True, kw_only=True)
class Transform:
    """A function from one image to the input of a network, as a preprocessing.

    `function` takes a Pillow image, RGB, and returns a tensor or an array, floating point, of the shape
    (3, height, width); an image processor of transformers is called with `images=` and returns
    `pixel_values`. `size` is the (height, width) of its results, or None where they depend on the image.
    `declared` is a text that stands for a function that cannot be inspected.
    """

    function: Callable[..., Any]
    size: tuple[int, int] | None
    declared: str | None = None

    @property
    def name(self) -> str:
        """Name of the function or of its class."""
        return name_of(self.function)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the function, and the versions of Pillow, torch and numpy."""
        try:
            digest = digest_of(self.function, name=self.name)
        except InputError:
            if self.declared is None:
                raise
            digest = sha256("declared", self.declared, torch.__version__, np.__version__)
        return sha256("transform", digest, PIL.__version__)

    def __call__(self, pictures: Sequence[Picture]) -> npt.NDArray[np.float32]:
        """Preprocess images, each uint8 (height, width, 3), RGB, to float32 (n, 3, height, width).

        Each image is preprocessed alone. StimulusError for a result that is not finite or has another shape,
        and for results of several sizes.
        """
        results = [self._checked(rgb(picture)) for picture in pictures]
        check_one_size({(r.shape[1], r.shape[2]) for r in results}, name=self.name)
        return np.stack(results)

    def _checked(self, picture: Picture) -> npt.NDArray[np.float32]:
        result = applied(self.function, picture)
        problem = problem_of(result)
        if problem:
            raise StimulusError(
                f"preprocessing {self.name!r} returns {problem} for an image of shape {picture.shape}",
                allowed="finite floating point, (3, height, width)",
                todo="correct the function, or that image",
            )
        return result.astype(np.float32)


def checked(function: Callable[..., Any], *, declared: str | None = None) -> Transform:
    """Return a function as a preprocessing, after it was run on test images.

    InputError if it fails, returns something else than finite floating point (3, height, width), returns
    something else each time or draws random numbers, and if it cannot be inspected and `declared` is None.
    """
    if isinstance(function, type):
        raise InputError(
            f"preprocess={function.__name__}, a class",
            allowed="an object that can be called with an image",
            todo=f"create one first: preprocess={function.__name__}(...)",
        )
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in _TESTED_SIZES]
    shapes = {_tested(function, picture) for picture in pictures}
    transform = Transform(
        function=function, size=shapes.pop() if len(shapes) == 1 else None, declared=declared
    )
    try:
        _ = transform.fingerprint
    except InputError as error:
        raise InputError(
            f"preprocess={transform.name} cannot be inspected ({error.got})",
            allowed="functions, and objects made of tensors, arrays, plain values and functions",
            todo="give wrap(..., fingerprint='...'), a text that you change whenever preprocessing or "
            "network change",
        ) from error
    return transform


def applied(function: Callable[..., Any], picture: Picture) -> npt.NDArray[Any]:
    """Return what a function returns for one image, as an array."""
    image = Image.fromarray(picture)
    processor = _image_processor(function)
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        if processor is None:
            result = function(image)
        else:
            result = processor(images=[image], return_tensors="pt")["pixel_values"][0]
    if isinstance(result, torch.Tensor):
        result = result.detach().cpu()
        result = result.float() if result.dtype == torch.bfloat16 else result
        # A subclass, such as an image of torchvision, is a plain tensor from here.
        return result.as_subclass(torch.Tensor).numpy()
    return np.asarray(result)


def problem_of(result: npt.NDArray[Any]) -> str | None:
    """Return what is wrong with the result for one image, or None."""
    described = f"{result.dtype} of shape {result.shape}"
    if result.ndim != 3 or result.shape[0] != 3 or result.dtype.kind != "f" or not result.size:
        return described
    if not np.isfinite(result).all():
        return f"{described} with NaN or inf"
    return None


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function, or of the class of an object."""
    return str(getattr(function, "__name__", type(function).__name__))


def _image_processor(function: Any) -> Any:
    """Return an image processor of transformers, also of a processor of images and text; else None."""
    if not any(base.__module__.startswith("transformers.") for base in type(function).__mro__):
        return None
    return getattr(function, "image_processor", function)


def _tested(function: Callable[..., Any], picture: Picture) -> tuple[int, int]:
    """Return the (height, width) of the result for a test image; InputError if it cannot be used."""
    before = _random_states()
    first = _run(function, picture)
    drawn = [name for name, state in _random_states().items() if state != before[name]]
    problem = problem_of(first)
    if problem:
        raise InputError(
            f"preprocess={name_of(function)} returns {problem} for an image of shape {picture.shape}",
            allowed="finite floating point, (3, height, width), for one image",
            todo=_advice(first),
        )
    same = all(np.array_equal(first, _run(function, picture)) for _ in range(_REPEATS - 1))
    if drawn or not same:
        how = f"draws random numbers of {', '.join(drawn)}" if drawn else "differs from run to run"
        raise InputError(
            f"preprocess={name_of(function)} is random: it {how}",
            allowed="a function that returns the same for the same image",
            todo="give the transform for evaluation, not the one for training: a resize and a center crop "
            "in place of random crops and flips",
        )
    return first.shape[1], first.shape[2]


def _run(function: Callable[..., Any], picture: Picture) -> npt.NDArray[Any]:
    try:
        return applied(function, picture)
    except (Exception, SystemExit) as error:  # somebody else's function
        raise InputError(
            f"preprocess={name_of(function)} fails for an image of shape {picture.shape} "
            f"({type(error).__name__}: {str(error)[:200]})",
            allowed="a function from a Pillow image, RGB, to floating point (3, height, width)",
            todo="try it: preprocess(PIL.Image.new('RGB', (320, 288)))",
        ) from error


def _advice(result: npt.NDArray[Any]) -> str:
    if result.ndim == 4 and len(result) == 1:
        return "return the image without a batch axis: result[0]"
    if result.ndim == 3 and result.shape[2] == 3:
        return (
            "put the channels first and scale to floats, as torchvision.transforms.ToTensor() does"
        )
    if result.dtype.kind in "ui":
        return (
            "scale to floats, as torchvision.transforms.v2.ToDtype(torch.float32, scale=True) does"
        )
    return (
        "end the transform with what makes such a tensor, such as torchvision.transforms.ToTensor()"
    )


def _random_states() -> dict[str, bytes]:
    """Return the states of the generators that a transform may draw from."""
    algorithm, keys, position, *_ = np.random.get_state(legacy=True)
    return {
        "torch": torch.random.get_rng_state().numpy().tobytes(),
        "numpy.random": repr((algorithm, np.asarray(keys).tobytes(), position)).encode(),
        "random": repr(random.getstate()).encode(),
    }
