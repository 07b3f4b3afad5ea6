"""The command that computes a stored score again."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Mapping
from typing import Any

from brainbench.core import registry
from brainbench.core.errors import BrainbenchError
from brainbench.core.score import Score
from brainbench.core.settings import PRECISIONS, PROTOCOLS, Settings, flags_of, options_of

OWN_FILE = "FILE.py:NAME"
"""What stands for a network or a map of the user, whose file a score does not name."""
_BEYOND = "beyond-"
_ESTIMATOR = re.compile(r".+-[0-9a-f]{8}")


def command_of(score: Score, *, folder: str | None = None) -> str:
    """Return the command that computes a score again, into a folder if one is given.

    A model that is not registered, and a map of the user's own, are written as FILE.py:NAME.
    """
    record = {} if score.record is None else score.record.model_dump()
    base = score.model.removesuffix(f"+{record.get('precision')}")
    model = base if _is_registered(base) else OWN_FILE
    return repeat_command(
        model, score.benchmark, record=record, protocol=score.protocol, folder=folder
    )


def repeat_command(
    model: str,
    benchmark: str,
    *,
    record: Mapping[str, Any],
    protocol: str,
    folder: str | None,
) -> str:
    """Return the command for a model and a benchmark, by a record that may be incomplete."""
    settings, precision = _settings_in(record, protocol=protocol)
    declared, _, variant = benchmark.partition("+")
    words = ["brainbench", "score", "-m", model.removesuffix(f"+{precision}"), "-b", declared]
    words += [*_variant_flags(variant, record), *flags_of(settings)]
    words += [] if precision == PRECISIONS[0] else ["--precision", precision]
    words += [] if folder is None else ["-o", folder]
    return shlex.join(words)


def _is_registered(name: str) -> bool:
    base = name.partition("@")[0]
    known = base in registry.entries("models") or name in registry.entries("models")
    return known or registry.family(base) is not None


def _variant_flags(variant: str, record: Mapping[str, Any]) -> list[str]:
    """Return the options behind the name of a variant of a benchmark, as "ridge-cv" or "beyond-pixels"."""
    if not variant:
        return []
    if variant.startswith(_BEYOND):
        choices = record.get("choices")
        given = choices.get("beyond") if isinstance(choices, Mapping) else None
        named = [
            str(one["model"]) for one in given or () if isinstance(one, dict) and "model" in one
        ]
        return ["--beyond", ",".join(named or variant.removeprefix(_BEYOND).split("-"))]
    return ["--metric", OWN_FILE if _ESTIMATOR.fullmatch(variant) else variant]


def _settings_in(record: Mapping[str, Any], *, protocol: str) -> tuple[Settings, str]:
    """Return settings and precision of a record, those that are not allowed as the defaults."""
    named: dict[str, Any] = {"protocol": protocol} if protocol in PROTOCOLS else {}
    settings = Settings(**named)
    precision = record.get("precision")
    with contextlib.suppress(BrainbenchError, TypeError, ValueError):
        given = dict(record.get("settings") or {})
        known = {name: given[name] for name in options_of(Settings).keys() & given.keys()}
        settings = Settings(**{**known, **named})
    return settings, str(precision) if precision in PRECISIONS else PRECISIONS[0]
