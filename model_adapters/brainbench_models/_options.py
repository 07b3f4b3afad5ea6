"""Checks of values that users give as options of models, and imports of packages from extras."""

from __future__ import annotations

import importlib
import math
from typing import Any, TypeGuard

import torch

from brainbench.core.errors import InputError

_NMS = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared_operators: list[Any] = []  # torch forgets operators with the object that declared them


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


def import_with_torchvision(package: str, *, extra: str, purpose: str) -> Any:
    """Import a package that imports torchvision, or torchvision itself; errors as `import_from_extra`.

    Where the compiled part of torchvision is of another build than torch (CUDA, CPU), the import fails at
    two operators that torchvision describes and does not find. No network here uses them; they are declared
    without code, so that only a call would fail.
    """
    try:
        return import_from_extra(package, extra=extra, purpose=purpose)
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
    if not hasattr(torch.ops.torchvision, "nms"):
        library: Any = torch.library.Library  # torch has no types for it
        operators = library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            operators.define(operator + _NMS)
        _declared_operators.append(operators)
    return importlib.import_module(package)
