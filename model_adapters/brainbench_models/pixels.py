"""The picture itself as a model: what any network has to beat."""

from __future__ import annotations

from brainbench.core.model_info import About
from brainbench.models.network import Images
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import REGIONS, WrappedModel, wrap

SIZE = 64
"""64 x 64 x 3 = 12,288 values: detail finer than this adds noise, not predictions, to a linear map."""


def pixels(*, size: int = SIZE) -> WrappedModel:
    """Pictures scaled to `size` x `size` pixels, values 0 to 1, static, the same for every region.

    Parameters
    ----------
    size : int
        Side in pixels. Brain-Score's model of this name takes 256; another size than the default is part
        of the name.
    """
    return wrap(
        _same,
        layers=dict.fromkeys(REGIONS, "pixels"),
        preprocess=Preprocess(name=f"pixels-{size}", size=(size, size)),
        name="pixels" if size == SIZE else f"pixels-{size}",
        weights="none",
        behavior="pixels",
        about=About(license="MIT", source="no weights: the pictures as they are"),
    )


def _same(images: Images) -> Images:
    return images
