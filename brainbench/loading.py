"""Models, benchmarks and data sets by name."""

from __future__ import annotations

from typing import Any

from brainbench import registry
from brainbench.errors import InputError
from brainbench.interfaces import Benchmark, BrainModel


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


def load_model(
    name: str, *, device: str = "auto", batch_size: int | str = "auto", **options: Any
) -> BrainModel:
    """Model of that name.

    Parameters
    ----------
    name : str
        "cornet_s", "cornet_s@untrained-1" (with named weights), or "FILE.py:function".
    device : str
        "auto", "cpu", "cuda", "cuda:1", "mps".
    batch_size : int or "auto"
        Images per forward pass.
    **options
        Passed to the function that makes the model.

    Raises
    ------
    UnknownNameError
        No such model; the message names the closest.
    InputError
        Options that the model does not take, or a function that returns something else.
    """
    known = registry.entries("models")
    base, at, weights = name.partition("@")
    if ".py:" in name:
        factory = registry.factory_from_file(name)
    elif name in known or not at:
        factory = registry.load("models", name)
    else:
        factory, options = registry.load("models", base), {**options, "weights": weights}
    try:
        model = factory(**options)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        raise InputError(
            f"model {name!r}: {error}",
            allowed="the options of the function that makes it",
            todo=f"see `brainbench show {base}`",
        ) from error
    return _checked(model, name, device=device, batch_size=batch_size)


def _checked(model: Any, name: str, *, device: str, batch_size: int | str) -> BrainModel:
    if not isinstance(model, BrainModel):
        raise InputError(
            f"model {name!r} is a {type(model).__name__}",
            allowed="a BrainModel, as brainbench.wrap makes it",
            todo="return brainbench.wrap(net, layers={'IT': 'LAYER'}) from the function",
        )
    if hasattr(model, "on"):
        placed: BrainModel = model.on(device=device, batch_size=batch_size)
        return placed
    return model
