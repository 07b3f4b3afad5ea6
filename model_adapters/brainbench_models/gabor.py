"""A V1-like energy model: Gabor filters, complex cells, divisive normalization. No weight is learned.

Quadrature pairs of Gabor filters at several orientations and scales (Jones & Palmer 1987), their energy
(Adelson & Bergen 1985), and normalization by the energy nearby over all orientations and scales (Heeger
1992). Together with the pixels it is what a trained network has to beat.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, pad

from brainbench.core.model_info import About
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import REGIONS, WrappedModel, wrap
from brainbench_models._options import check_option

SIZE: Final = 224
LUMINANCE: Final = (0.2126, 0.7152, 0.0722)  # weights of red, green and blue (ITU-R BT.709)
WAVELENGTHS: Final = (4.0, 8.0, 16.0, 32.0)  # in pixels of a 224 x 224 picture, one octave apart
_SIGMA = 0.56  # in wavelengths: a bandwidth of one octave
_PLACES = 28
_SEMISATURATION = 0.05


class GaborEnergy(nn.Module):
    """Complex cells at several orientations, evenly spaced over 180 degrees, on 28 x 28 places."""

    def __init__(self, orientations: int) -> None:
        super().__init__()
        self.orientations = orientations
        for k, wavelength in enumerate(WAVELENGTHS):
            self.register_buffer(f"filters_{k}", gabor_filters(wavelength, orientations))
        self.register_buffer("luminance", torch.tensor(LUMINANCE)[None, :, None, None])
        self.output = nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        """Map pictures, (batch, 3, 224, 224), values 0 to 1, to (batch, scale x orientation, 28, 28)."""
        gray = (images * self.get_buffer("luminance")).sum(dim=1, keepdim=True)
        energies = [self._energy(gray, k) for k in range(len(WAVELENGTHS))]
        energy = torch.cat(energies, dim=1)
        nearby = avg_pool2d(pad(energy, (2, 2, 2, 2), mode="reflect"), 5, stride=1)
        pool = (nearby**2).mean(dim=1, keepdim=True).sqrt()
        normalized: Tensor = self.output(energy / (_SEMISATURATION + pool))
        return normalized

    def _energy(self, gray: Tensor, k: int) -> Tensor:
        filters = self.get_buffer(f"filters_{k}")
        margin = filters.shape[-1] // 2
        both = conv2d(pad(gray, (margin,) * 4, mode="reflect"), filters, stride=2)
        even, odd = both[:, : self.orientations], both[:, self.orientations :]
        energy = torch.sqrt(even**2 + odd**2 + 1e-12)
        return avg_pool2d(energy, energy.shape[-1] // _PLACES)


def gabor_filters(wavelength: float, orientations: int) -> Tensor:
    """Build Gabor filters of unit norm and zero response to gray, (2 orientations, 1, side, side).

    Even (cosine) filters come first, then odd ones. The wavelength is in pixels; orientations are evenly
    spaced over 180 degrees, from gratings that vary along x.
    """
    sigma = _SIGMA * wavelength
    reach = math.ceil(2.5 * sigma)
    places = np.arange(-reach, reach + 1.0)
    y, x = np.meshgrid(places, places, indexing="ij")
    envelope = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    filters = []
    for phase in (0.0, -np.pi / 2):
        for angle in np.pi * np.arange(orientations) / orientations:
            along = x * np.cos(angle) + y * np.sin(angle)
            wave = envelope * np.cos(2 * np.pi * along / wavelength + phase)
            wave -= envelope * wave.sum() / envelope.sum()
            filters.append(wave / np.linalg.norm(wave))
    return torch.from_numpy(np.stack(filters)[:, None].astype(np.float32))


def gabor(*, orientations: int = 8) -> WrappedModel:
    """Make a V1-like energy model, static, the same 25,088 units for every region.

    There are at least 2 orientations, evenly spaced over 180 degrees; other than 8 they are part of the name.
    """
    valid = isinstance(orientations, int) and orientations >= 2
    allowed = "a whole number, at least 2"
    check_option("orientations", orientations, "gabor", valid=valid, allowed=allowed)
    return wrap(
        GaborEnergy(orientations).eval(),
        layers=dict.fromkeys(REGIONS, "output"),
        preprocess=Preprocess(name=f"plain-{SIZE}", size=(SIZE, SIZE)),
        name="gabor" if orientations == 8 else f"gabor-{orientations}",
        weights="none",
        behavior="output",
        version="gabor-1",
        about=About(
            citation="Jones & Palmer 1987, J Neurophysiol; Adelson & Bergen 1985, J Opt Soc Am A; "
            "Heeger 1992, Vis Neurosci",
            license="MIT",
            source="no weights: filters by formula",
        ),
    )
