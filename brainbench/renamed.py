"""Former import paths: importing one is an error that names the new one."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

MODULES: Mapping[str, str] = {
    "about": "brainbench.core.model_info",
    "assembly": "brainbench.core.assembly",
    "cache": "brainbench.storage.cache",
    "errors": "brainbench.core.errors",
    "extract": "brainbench.models",
    "interfaces": "brainbench.core.benchmark, brainbench.core.model and brainbench.core.dataset",
    "job": "brainbench.run.resolve",
    "loading": "brainbench.run.loading",
    "presentation": "brainbench.core.presentation",
    "procedures": "brainbench.scoring (Predictivity: brainbench.scoring.regression.predictivity)",
    "progress": "brainbench.core.progress",
    "provenance": "brainbench.core.provenance",
    "registry": "brainbench.core.registry",
    "scores": "brainbench.core.score",
    "stimuli": "brainbench.core.stimuli",
    "store": "brainbench.storage and brainbench.ranking",
    "timeline": "brainbench.core.timeline",
}
"""Former module of `brainbench` -> where its content is."""


def explain(name: str) -> str | None:
    """Return where a former module of `brainbench` is now; None for any other name."""
    return f"since version 0.2 brainbench.{name} is {MODULES[name]}" if name in MODULES else None


class Finder:
    """Explains imports of former modules; asked after every other finder."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ImportError for a former module; return None for any other."""
        package, _, module = name.partition(".")
        text = explain(module) if package == "brainbench" else None
        if text is not None:
            raise ImportError(text, name=name)
        return None


def install() -> None:
    """Have former import paths explained."""
    if Finder not in sys.meta_path:
        sys.meta_path.append(Finder)
