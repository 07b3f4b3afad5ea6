"""brainbench tells how much a neural network is like the primate ventral visual stream.

>>> import brainbench
>>> brainbench.score("cornet_s", "Simulated.IT-pls")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from brainbench.api import (
        extract_activations,
        leaderboard,
        list_benchmarks,
        list_data,
        list_models,
        load_benchmark,
        load_model,
        score,
        wrap,
    )
    from brainbench.errors import BrainbenchError
    from brainbench.extract.export import load_activations
    from brainbench.extract.preprocess import Preprocess
    from brainbench.interfaces import Benchmark, BrainModel
    from brainbench.presentation import Presentation
    from brainbench.scores import Score, ScoreSet
    from brainbench.stimuli import StimulusSet
    from brainbench.timeline import Timeline

__version__ = "0.1.0"

_HOME = {
    "Benchmark": "interfaces",
    "BrainModel": "interfaces",
    "BrainbenchError": "errors",
    "Preprocess": "extract.preprocess",
    "Presentation": "presentation",
    "Score": "scores",
    "ScoreSet": "scores",
    "StimulusSet": "stimuli",
    "Timeline": "timeline",
    "extract_activations": "api",
    "leaderboard": "api",
    "list_benchmarks": "loading",
    "list_data": "loading",
    "list_models": "loading",
    "load_activations": "extract.export",
    "load_benchmark": "loading",
    "load_model": "loading",
    "score": "api",
    "wrap": "extract.wrap",
}

__all__ = [
    "Benchmark",
    "BrainModel",
    "BrainbenchError",
    "Preprocess",
    "Presentation",
    "Score",
    "ScoreSet",
    "StimulusSet",
    "Timeline",
    "__version__",
    "extract_activations",
    "leaderboard",
    "list_benchmarks",
    "list_data",
    "list_models",
    "load_activations",
    "load_benchmark",
    "load_model",
    "score",
    "wrap",
]


def __getattr__(name: str) -> Any:
    # Names are imported when they are used: `brainbench --help` must not wait for torch.
    if name in _HOME:
        return getattr(importlib.import_module(f"brainbench.{_HOME[name]}"), name)
    raise AttributeError(f"module 'brainbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
