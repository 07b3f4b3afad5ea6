"""Checks of values that users give as options of models, and imports of packages from extras."""

from __future__ import annotations

import importlib
import math
from typing import Any, TypeGuard

from brainbench.core.errors import InputError


def is_whole_number(value: object) -> TypeGuard[int]:
    """Return whether a value is an int of at least 1; True is not."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def is_positive(value: object, *, maximum: float = math.inf) -> bool:
    """Return whether a value is a finite number above 0 and at most `maximum`; True is not."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return math.isfinite(value) and 0 < value <= maximum


def check_option(option: str, value: object, model: str, *, valid: bool, allowed: str) -> None:
    """Raise InputError that names the option, its value and the model, unless it is valid."""
    if not valid:
        todo = f"give another {option}=, or omit it"
        raise InputError(f"{option}={value!r} for {model}", allowed=allowed, todo=todo)


def import_from_extra(package: str, *, extra: str, purpose: str) -> Any:
    """Import a package of an extra; raise InputError that says how to install it if it is absent."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        absent = (error.name or package).replace("_", "-")
        raise InputError(
            f"{purpose} without the package {absent}",
            allowed=f"the packages of the extra {extra}",
            todo=f"pip install 'brainbench[{extra}]'",
        ) from error
