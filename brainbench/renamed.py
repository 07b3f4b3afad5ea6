"""Former import paths: importing one is an error that names the new one."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

MODULES: Mapping[str, str] = {
    "brainbench.about": "brainbench.core.model_info",
    "brainbench.assembly": "brainbench.core.assembly",
    "brainbench.cache": "brainbench.storage.cache",
    "brainbench.errors": "brainbench.core.errors",
    "brainbench.extract": "brainbench.models",
    "brainbench.interfaces": "brainbench.core.benchmark, brainbench.core.model and brainbench.core.dataset",
    "brainbench.job": "brainbench.run.resolve",
    "brainbench.loading": "brainbench.run.loading",
    "brainbench.presentation": "brainbench.core.presentation",
    "brainbench.procedures": "brainbench.scoring (Predictivity: brainbench.scoring.regression.predictivity)",
    "brainbench.progress": "brainbench.core.progress",
    "brainbench.provenance": "brainbench.core.provenance",
    "brainbench.registry": "brainbench.core.registry",
    "brainbench.scores": "brainbench.core.score",
    "brainbench.stimuli": "brainbench.core.stimuli",
    "brainbench.store": "brainbench.storage and brainbench.ranking",
    "brainbench.timeline": "brainbench.core.timeline",
    "brainbench_models.cornet": "brainbench_models.cornet_s",
}
"""Former module -> where its content is."""


def explain(name: str) -> str | None:
    """Return where a former module is now; None for any other name."""
    return f"since version 0.2 {name} is {MODULES[name]}" if name in MODULES else None


class Finder:
    """Explains imports of former modules; asked after every other finder."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ImportError for a former module; return None for any other."""
        text = explain(name)
        if text is not None:
            raise ImportError(text, name=name)
        return None


def install() -> None:
    """Have former import paths explained."""
    if Finder not in sys.meta_path:
        sys.meta_path.append(Finder)
