"""Figures. Each imports matplotlib, from the extra `plot`, when it is drawn."""

from brainbench.plot.model_graph import draw_graph

__all__ = ["draw_graph"]
