"""What the scores of both measures of behavior say of the read-out behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from brainbench.core.score import Selection
from brainbench.core.stimuli import StimulusSet
from brainbench.scoring.behavior.readout import HeldOutReadout
from brainbench.scoring.layer_selection import selection_of
from brainbench.scoring.measure import Evaluation


@dataclass(frozen=True, kw_only=True, eq=False)
class BehaviorEvaluation(Evaluation):
    """Held-out answers of a read-out; a measure adds how they are compared with the subjects'.

    Parameters
    ----------
    readout : HeldOutReadout
        Answers to all images.
    formula : str
        Formula of the value: a ceiling is drawn again only where it has one.
    floor : float or None
        What the user gave; neither measure can use it.
    seed : int
        Seed of the run.
    """

    readout: HeldOutReadout
    formula: str
    floor: float | None
    seed: int

    without_reliability: ClassVar[str]
    """What a floor of reliability cannot be applied to."""

    @property
    def stimulus_sets(self) -> list[StimulusSet]:
        """The images that the read-out was tested on."""
        return [self.readout.images.stimuli]

    @property
    def partial(self) -> bool:
        """Whether a limit left some stimuli out."""
        return self.readout.images.partial

    @property
    def selection(self) -> Selection:
        """Layer and step."""
        return selection_of([self.readout.selection])

    @property
    def null_remark(self) -> str:
        """What is shuffled."""
        groups = self.readout.images.groups
        together = "" if groups is None else ", groups of as many images exchanged whole"
        return f"answers of the model{together}, read-out not fitted again"

    @property
    def readout_details(self) -> dict[str, Any]:
        """Options of the read-out, for the record."""
        options = self.readout.options
        return {
            "readout": f"multinomial logistic regression, C={options.C:g}, tol={options.tol:g}, "
            "standardized features",
            "splits": len(set(self.readout.fold.tolist())),
            "features": self.readout.n_features,
        }

    @property
    def notes(self) -> list[str]:
        """Remarks for the record."""
        notes = []
        if self.floor is not None:
            notes.append(
                f"floor not used: {self.without_reliability} has no reliability of its own"
            )
        if self.readout.n_unfinished:
            notes.append(f"read-out not converged in {self.readout.n_unfinished} fits")
        return notes
