"""Figures of scores and models. Each imports matplotlib, from the extra `plot`, when it is drawn.

A figure function takes scores, or the path of a results folder, and returns axes; with `ax=` it draws into
yours. `figure(name, scores)` draws all panels of a figure, `save` writes a file, `svg` an element for HTML.
"""

from brainbench.plot.choice_patterns import choices, images
from brainbench.plot.cue_answers import cues
from brainbench.plot.dissimilarities import rdm
from brainbench.plot.fit_figures import ablated_lengths, fit_curves, fit_pairs, length_shares
from brainbench.plot.kinds import KINDS, figure
from brainbench.plot.layer_curves import layers, units
from brainbench.plot.model_graph import graph
from brainbench.plot.model_scatter import scatter
from brainbench.plot.names import display_name, display_names
from brainbench.plot.score_bars import bars, bound_of
from brainbench.plot.search_figures import (
    search_gains,
    search_motif,
    search_progress,
    search_shares,
    search_sizes,
    trained_accuracies,
)
from brainbench.plot.selection import FITS, stored
from brainbench.plot.solution_time_bins import ost
from brainbench.plot.style import save, svg
from brainbench.plot.time_courses import temporal, time, traces
from brainbench.plot.training_curves import training_curve

__all__ = [
    "FITS",
    "KINDS",
    "ablated_lengths",
    "bars",
    "bound_of",
    "choices",
    "cues",
    "display_name",
    "display_names",
    "figure",
    "fit_curves",
    "fit_pairs",
    "graph",
    "images",
    "layers",
    "length_shares",
    "ost",
    "rdm",
    "save",
    "scatter",
    "search_gains",
    "search_motif",
    "search_progress",
    "search_shares",
    "search_sizes",
    "stored",
    "svg",
    "temporal",
    "time",
    "traces",
    "trained_accuracies",
    "training_curve",
    "units",
]
