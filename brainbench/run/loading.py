"""Models, benchmarks, data sets and composites by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from brainbench.core import progress, registry
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.model import BrainModel, check_model
from brainbench.run.selftest import Check
from brainbench.stats.composite import Composite


def list_models(pattern: str = "all") -> list[str]:
    """Names of the models that fit a wildcard, such as "cornet*"."""
    return registry.match("models", pattern)


def list_benchmarks(pattern: str = "all") -> list[str]:
    """Identifiers of the benchmarks that fit a wildcard, such as "Simulated.*"."""
    return registry.match("benchmarks", pattern)


def list_data(pattern: str = "all") -> list[str]:
    """Names of the data sets that fit a wildcard."""
    return registry.match("data", pattern)


def load_benchmark(identifier: str) -> Benchmark:
    """Benchmark of that identifier.

    Raises
    ------
    UnknownNameError
        No such benchmark; the message names the closest.
    """
    found: Benchmark = registry.load("benchmarks", identifier)
    return found


def load_composite(name: str) -> Composite:
    """Composite of that name.

    Raises
    ------
    UnknownNameError
        No such composite; the message names the closest.
    """
    found: Composite = registry.load("composites", name)
    return found


def load_composites(pattern: str = "all") -> list[Composite]:
    """Composites that fit a name or a wildcard, such as "Simulated.*", in the order of their plug-ins.

    Raises
    ------
    UnknownNameError
        A pattern that fits nothing; the message names the closest.
    """
    return [load_composite(name) for name in registry.match("composites", pattern)]


def load_checks() -> list[Check]:
    """Every check of `brainbench selftest`, in the order of their plug-ins."""
    return [check for name in registry.entries("checks") for check in registry.load("checks", name)]


def load_model(
    name: str,
    /,
    *,
    device: str = "auto",
    batch_size: int | str = "auto",
    precision: str = "float32",
    **options: Any,
) -> BrainModel:
    """Model of that name.

    Parameters
    ----------
    name : str
        "cornet_s", "cornet_s@untrained-1" (with named weights), a member of a family ("timm:resnet18",
        "net.onnx"), or "FILE.py:function".
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    batch_size : int or "auto"
        Images per forward pass.
    precision : str
        "float32", or "bf16": torch modules compute in bfloat16, which is part of the name then.
    **options
        Passed to the function that makes the model.

    Raises
    ------
    UnknownNameError
        No such model; the message names the closest.
    InputError
        Options that the model does not take, or a function that returns something else.
    """
    factory, chosen = maker(name)
    model = check_model(_made(factory, name, {**options, **chosen}), name=name)
    return on(model, device=device, batch_size=batch_size, precision=precision)


def model_with(name: str, options: Mapping[str, Any]) -> BrainModel:
    """Model of that name; a registered one that has no choice of weights is made without, and it is said.

    Parameters
    ----------
    name, options
        As in `load_model`, with the same errors.
    """
    left = dict(options)
    if "weights" in left and not registry.is_file(name):
        factory, chosen = maker(name)
        if not chosen and "weights" not in inspect.signature(factory).parameters:
            del left["weights"]
            progress.current().note(f"{name}: there is no choice of weights for this model")
    return load_model(name, **left)


def maker(name: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Find the function that makes a model, and the options that its name holds, such as weights.

    Raises
    ------
    UnknownNameError
        No such model; the message names the closest.
    InputError
        "FILE.py:function" without such a file.
    """
    if registry.is_file(name):
        return registry.factory_from_file(name), {}
    key = registry.family(name)
    if key is not None and key.startswith("."):  # a path, which may have an @ of its own
        return partial(registry.load("families", key), name), {}
    base, at, weights = name.partition("@")
    chosen = {"weights": weights} if at and name not in registry.entries("models") else {}
    base = base if chosen else name
    if key is not None:
        return partial(registry.load("families", key), base.removeprefix(key)), chosen
    return registry.load("models", base), chosen


def on(model: BrainModel, *, device: str, batch_size: int | str, precision: str) -> BrainModel:
    """Return the model as it is to be run, where it has a choice."""
    if not hasattr(model, "on"):
        return model
    options: dict[str, Any] = {"device": device, "batch_size": batch_size}
    if precision != "float32" and "precision" in inspect.signature(model.on).parameters:
        options["precision"] = precision
    elif precision != "float32":
        progress.current().note(f"{model.name}: computes as it does, not in {precision}")
    made: BrainModel = model.on(**options)
    return made


def _made(factory: Callable[..., Any], name: str, options: dict[str, Any]) -> Any:
    signature = inspect.signature(factory)
    try:
        signature.bind(**options)
    except TypeError as error:
        raise _unfit(name, signature, options, error) from None
    return factory(**options)


def _unfit(
    name: str, signature: inspect.Signature, options: Mapping[str, Any], error: TypeError
) -> InputError:
    """Why a function cannot be called so; one in a user's file may be the network itself."""
    function = name.rpartition(":")[2]
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = [p for p in signature.parameters.values() if p.kind not in starred]
    needs = [p.name for p in parameters if p.default is p.empty]
    if registry.is_file(name) and not set(needs) <= options.keys():
        return InputError(
            f"model {name!r}: {error}",
            allowed="a function that makes a model; what it needs is given with --model-args",
            todo=f"if {function} is the network, name a function that ends in "
            f"`return brainbench.wrap({function}, name={function!r})`",
        )
    return InputError(
        f"model {name!r}: {error}",
        allowed="the options " + (", ".join(signature.parameters) or "none"),
        todo="give only these, with --model-args or after the name as @WEIGHTS",
    )
