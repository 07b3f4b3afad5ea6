"""Report of the read-out that both measures of behavior share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from brainbench.core.score import Selection
from brainbench.metrics.array_types import FloatArray, IntArray
from brainbench.scoring.behavior.readout import HeldOutReadout
from brainbench.scoring.layer_selection import selection_of
from brainbench.scoring.measure import Evaluation
from brainbench.scoring.recordings import image_table


@dataclass(frozen=True, kw_only=True, eq=False)
class BehaviorEvaluation(Evaluation):
    """Held-out answers of a read-out; a measure adds how they are compared with the subjects'."""

    readout: HeldOutReadout
    seed: int  # of the run

    @property
    def selection(self) -> Selection:
        return selection_of([self.readout.selection])

    @property
    def null_remark(self) -> str:
        groups = self.readout.images.groups
        together = "" if groups is None else ", groups of as many images exchanged whole"
        return f"answers of the model{together}, read-out not fitted again"

    @property
    def compared_rows(self) -> IntArray:
        """Rows of the images that model and subjects are compared on; by default all."""
        return np.arange(len(self.readout.images.ids))

    def image_table(self, model: FloatArray, observed: FloatArray, *, units: str) -> xr.DataArray:
        """Return a figure of the model for each compared image, with the subjects' beside it."""
        images, rows = self.readout.images, self.compared_rows
        ids, objects = np.asarray(images.ids)[rows], images.labels[rows]
        return image_table(model, ids, objects, units=units, observed=observed)

    def choice_table(self, predicted: FloatArray, target: FloatArray) -> xr.Dataset:
        """Return what model and subjects choose on the compared images, dims (sample, choice)."""
        images, rows = self.readout.images, self.compared_rows
        return xr.Dataset(
            {
                "predicted": (("sample", "choice"), predicted),
                "target": (("sample", "choice"), target),
            },
            coords={
                "fold": ("sample", self.readout.fold[rows]),
                "stimulus_id": ("sample", np.asarray(images.ids)[rows]),
                "truth": ("sample", images.labels[rows]),
                "choice": ("choice", images.classes),
            },
        )

    @property
    def readout_details(self) -> dict[str, Any]:
        """Options of the read-out, for the record."""
        options = self.readout.options
        return {
            "readout": f"multinomial logistic regression, C={options.C:g}, tol={options.tol:g}, "
            "standardized features",
            "splits": len(set(self.readout.fold.tolist()) - {-1}),
            "features": self.readout.n_features,
        }

    @property
    def notes(self) -> list[str]:
        n_unfinished = self.readout.n_unfinished
        return [f"read-out not converged in {n_unfinished} fits"] if n_unfinished else []
