"""The picture itself as a model: what any network has to beat."""

from __future__ import annotations

from brainbench.about import About
from brainbench.extract.network import Images
from brainbench.extract.preprocess import Preprocess
from brainbench.extract.wrap import REGIONS, WrappedModel, wrap

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
        behaviour="pixels",
        about=About(licence="MIT", source="no weights: the pictures as they are"),
    )


def _same(images: Images) -> Images:
    return images
