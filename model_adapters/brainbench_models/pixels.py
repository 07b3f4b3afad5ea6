"""The picture itself as a model: what any network has to beat."""

from __future__ import annotations

from brainbench.core.model_info import About
from brainbench.models.network import Images
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import REGIONS, WrappedModel, wrap

SIZE = 64  # 64 x 64 x 3 = 12,288 values: to a linear map, finer detail is noise


def pixels(*, size: int = SIZE) -> WrappedModel:
    """Make a model of pictures scaled to `size` x `size` pixels, values 0 to 1, static, for every region.

    A size other than 64 is part of the name. Brain-Score's model of this name takes 256.
    """
    return wrap(
        _identity,
        layers=dict.fromkeys(REGIONS, "pixels"),
        preprocess=Preprocess(name=f"pixels-{size}", size=(size, size)),
        name="pixels" if size == SIZE else f"pixels-{size}",
        weights="none",
        behavior="pixels",
        version="pixels-1",
        about=About(license="MIT", source="no weights: the pictures as they are"),
    )


def _identity(images: Images) -> Images:
    return images
