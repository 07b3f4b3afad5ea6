"""brainbench tells how much a neural network is like the primate ventral visual stream.

>>> import brainbench
>>> brainbench.score("cornet_s", "Simulated.IT-pls")  # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from brainbench import renamed

if TYPE_CHECKING:
    from brainbench.api import (
        compare,
        extract_activations,
        leaderboard,
        list_benchmarks,
        list_data,
        list_models,
        load_benchmark,
        load_model,
        score,
    )
    from brainbench.core.benchmark import Benchmark
    from brainbench.core.errors import BrainbenchError, BrainbenchWarning
    from brainbench.core.model import BrainModel
    from brainbench.core.presentation import Presentation
    from brainbench.core.score import Score, ScoreSet
    from brainbench.core.stimuli import StimulusSet
    from brainbench.core.timeline import Timeline
    from brainbench.models.export import load_activations
    from brainbench.models.preprocessing import Preprocess
    from brainbench.models.wrap import wrap
    from brainbench.run.offered import benchmarks_of

__version__ = "0.2.0"

_HOME = {
    "Benchmark": "core.benchmark",
    "BrainModel": "core.model",
    "BrainbenchError": "core.errors",
    "BrainbenchWarning": "core.errors",
    "Preprocess": "models.preprocessing",
    "Presentation": "core.presentation",
    "Score": "core.score",
    "ScoreSet": "core.score",
    "StimulusSet": "core.stimuli",
    "Timeline": "core.timeline",
    "benchmarks_of": "run.offered",
    "compare": "api",
    "extract_activations": "api",
    "leaderboard": "api",
    "list_benchmarks": "run.loading",
    "list_data": "run.loading",
    "list_models": "run.loading",
    "load_activations": "models.export",
    "load_benchmark": "run.loading",
    "load_model": "run.loading",
    "score": "api",
    "wrap": "models.wrap",
}

__all__ = [
    "Benchmark",
    "BrainModel",
    "BrainbenchError",
    "BrainbenchWarning",
    "Preprocess",
    "Presentation",
    "Score",
    "ScoreSet",
    "StimulusSet",
    "Timeline",
    "__version__",
    "benchmarks_of",
    "compare",
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


renamed.install()


def __getattr__(name: str) -> Any:
    # Names are imported when they are used: `brainbench --help` must not wait for torch.
    if name in _HOME:
        return getattr(importlib.import_module(f"brainbench.{_HOME[name]}"), name)
    if name in ("data", "plot"):
        return importlib.import_module(f"brainbench.{name}")
    where = renamed.explain(f"brainbench.{name}")
    raise AttributeError(
        f"module 'brainbench' has no attribute {name!r}" + (f": {where}" if where else "")
    )


def __dir__() -> list[str]:
    return sorted(__all__)
