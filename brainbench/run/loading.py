"""Models, benchmarks, data sets and composites by name."""

from __future__ import annotations

import dataclasses
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from brainbench.core import progress, registry
from brainbench.core.arguments import check_arguments
from brainbench.core.benchmark import RENAMED_REGIONS, Benchmark
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.model import BrainModel, check_model
from brainbench.core.model_file import factory_from_file
from brainbench.core.settings import Placement, options_of, takes
from brainbench.core.untrusted_text import visible
from brainbench.models.weight_headers import SUFFIX, chosen_by_of
from brainbench.run.offered import is_offered, offered_benchmark
from brainbench.run.selftest import Check
from brainbench.stats.composite import Composite

log = logging.getLogger(__name__)
Loaded = TypeVar("Loaded")


def list_models(pattern: str = "all") -> list[str]:
    """Return the names of the models that match a wildcard, such as "cornet*"."""
    check_arguments(list_models, locals())
    return registry.match("models", pattern)


def list_benchmarks(pattern: str = "all") -> list[str]:
    """Return the identifiers of the benchmarks that match a wildcard, such as "Simulated.*".

    One that a data set offers by rule, as "Cowley2023.V4-rsa", is found by its whole name, and those of data
    sets of your own by wildcards too.

    Raises
    ------
    UnknownNameError
        A pattern that nothing matches; the message names the closest, or how those by rule are found.
    """
    check_arguments(list_benchmarks, locals())
    names: list[str] = []
    for part in pattern.split(","):
        name = part.strip()
        if is_offered(name) and name not in registry.entries("benchmarks"):
            names.append(name)
            continue
        try:
            names += registry.match("benchmarks", part)
        except UnknownNameError as error:
            raise _renamed(name) or _by_rule(name) or error from None
    return list(dict.fromkeys(names))


def list_data(pattern: str = "all") -> list[str]:
    """Return the names of the data sets that match a wildcard."""
    check_arguments(list_data, locals())
    return registry.match("data", pattern)


def load_benchmark(identifier: str) -> Benchmark:
    """Return the benchmark of an identifier.

    Raises
    ------
    UnknownNameError
        No such benchmark; the message names the closest.
    """
    check_arguments(load_benchmark, locals())
    if is_offered(identifier) and identifier not in registry.entries("benchmarks"):
        return offered_benchmark(identifier)
    try:
        benchmark: Benchmark = registry.load("benchmarks", identifier)
    except UnknownNameError as error:
        raise _renamed(identifier) or _by_rule(identifier) or error from None
    return benchmark


def _by_rule(pattern: str) -> UnknownNameError | None:
    """Return the error for a pattern that fits no declared benchmark, but the name of a data set."""
    name, _, rest = pattern.partition(".")
    if rest and not registry.has_wildcard(pattern):
        return None  # the whole name of a benchmark: the closest ones are named
    try:
        data = registry.match("data", name)
    except UnknownNameError:
        return None
    one = data[0]
    return UnknownNameError(
        f"no declared benchmark fits {pattern!r}; those that {' or '.join(data[:3])} may offer by rule are "
        "found by their whole names",
        allowed=f"a whole name, {one}.REGION-MEASURE",
        todo=f"see `brainbench data show {one}`, which names them and says what others lack",
    )


def _renamed(pattern: str) -> UnknownNameError | None:
    """Return the error for a benchmark that is named by the former name of a region."""
    current = pattern
    for former, region in RENAMED_REGIONS.items():
        current = current.replace(former, region)
    if current == pattern:
        return None
    return UnknownNameError(
        f"unknown benchmark {pattern!r}",
        allowed=f"{current}, its name since version 0.2",
        todo=f"write {current}",
    )


def load_composite(name: str) -> Composite:
    """Return the composite of a name; an unknown name is an UnknownNameError."""
    composite: Composite = registry.load("composites", name)
    return composite


def load_composites(pattern: str = "all") -> list[Composite]:
    """Return the composites that match a name or a wildcard, in the order of their plug-ins.

    One that cannot be imported is left out with a warning, unless it is named.
    """
    return _loaded("composites", registry.match("composites", pattern), pattern, load_composite)


def load_benchmarks(pattern: str) -> list[Benchmark]:
    """Return the benchmarks that match a name, a wildcard, a comma list or "all".

    One that cannot be imported is left out with a warning, unless it is named.
    """
    return _loaded("benchmarks", list_benchmarks(pattern), pattern, load_benchmark)


def _loaded(
    group: registry.Group, names: Sequence[str], pattern: str, load: Callable[[str], Loaded]
) -> list[Loaded]:
    """Load what names stand for; what is broken is left out unless `pattern` names it, or nothing is left."""
    named = [part.strip() for part in pattern.split(",")]
    loaded: list[Loaded] = []
    for name in names:
        try:
            loaded.append(load(name))
        except InputError as error:
            if name in named or len(names) == 1:
                raise
            what = f"{registry.SINGULAR[group]} {name}"
            log.warning("%s", visible(f"{what} is left out: {error.got}"))
    return loaded


def load_checks() -> list[Check]:
    """Return every check of `brainbench selftest`, in the order of their plug-ins."""
    names = list(registry.entries("checks"))
    sets = _loaded("checks", names, "all", partial(registry.load, "checks"))
    return [check for checks in sets for check in checks]


@takes(Placement, others=True)
def load_model(name: str, /, **options: Any) -> BrainModel:
    """Return the model of a name.

    Parameters
    ----------
    name : str
        "cornet_s", "cornet_s@untrained-1" (with named weights), a member of a family ("timm:resnet18",
        "net.onnx"), or "FILE.py:function".
    **options
        How the model is run, see `brainbench score --help`: device="cuda", batch_size=16,
        precision="bf16". Any others are passed to the function that makes the model.

    Raises
    ------
    UnknownNameError
        No such model; the message names the closest.
    InputError
        Options that the model does not take, or a function that returns something else.
    """
    check_arguments(load_model, locals(), but=("options",))
    for_placement = options_of(Placement).keys() & options.keys()
    placement = Placement(**{key: options.pop(key) for key in for_placement})
    try:
        factory, named_weights = maker(name)
        given = {**options, **named_weights}
        made = _marked(_made(factory, name, given), given.get("weights"), name=name)
        model = checked(made, name=name)
    except SystemExit as error:
        raise InputError(
            f"model {name!r} ends the program (SystemExit: {error})",
            allowed="a file that can be imported, and a function that returns a model",
            todo="put what a script does after `if __name__ == '__main__':`",
        ) from error
    return place(model, placement)


def _marked(model: Any, weights: Any, *, name: str) -> Any:
    """Return what was made with weights of a file; it says if a benchmark chose their epoch.

    InputError for a model that cannot say it, since its scores would then be taken for fair ones.
    """
    if not isinstance(weights, str | Path) or SUFFIX not in str(weights):
        return model
    from brainbench.models.checkpoints import split
    from brainbench.models.wrapped_model import WrappedModel

    chosen = chosen_by_of(Path(split(str(weights))[0]).expanduser())
    if not chosen:
        return model
    if not isinstance(model, WrappedModel):
        raise InputError(
            f"{name} with {weights}, whose epoch was chosen by {chosen[0].benchmark}",
            allowed="a model that brainbench.wrap makes, which can say so",
            todo="wrap the network, or give weights that no benchmark chose",
        )
    return dataclasses.replace(model, chosen_by=chosen)


def checked(given: Any, *, name: str) -> BrainModel:
    """Return a model completed with the members that it may leave out.

    Anything that is not a model, or a region by its former name, is an InputError.
    """
    model = check_model(given, name=name)
    for former in RENAMED_REGIONS.keys() & model.areas.keys():
        raise renamed_region(f"model {name!r} with the region", former)
    return model


def renamed_region(where: str, region: str) -> InputError:
    """Return the error for a region by its former name."""
    current = RENAMED_REGIONS[region]
    return InputError(
        f"{where} {region!r}",
        allowed=f"{current!r}, its name since version 0.2",
        todo=f"write {current} instead of {region}",
    )


def model_with(name: str, options: Mapping[str, Any]) -> BrainModel:
    """Return the model of a name, as `load_model` does.

    Weights for a model that has no choice are omitted with a note.
    """
    accepted = dict(options)
    if "weights" in accepted and not registry.is_file(name):
        factory, named_weights = maker(name)
        if not named_weights and "weights" not in inspect.signature(factory).parameters:
            del accepted["weights"]
            progress.current().note(f"{name}: there is no choice of weights for this model")
    return load_model(name, **accepted)


def maker(name: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    """Return the function that makes a model, and the options in its name, such as weights."""
    if registry.is_file(name):
        return factory_from_file(name), {}
    key = registry.family(name)
    if key is not None and key.startswith("."):  # a path, which may have an @ of its own
        return partial(registry.load("families", key), name), {}
    base, at, weights = name.partition("@")
    chosen = {"weights": weights} if at and name not in registry.entries("models") else {}
    base = base if chosen else name
    if key is not None:
        return partial(registry.load("families", key), base.removeprefix(key)), chosen
    return registry.load("models", base), chosen


def place(model: BrainModel, placement: Placement) -> BrainModel:
    """Return the model placed for a run; float32, the default, leaves its precision unchanged."""
    options = dataclasses.asdict(placement)
    if placement.precision == "float32":
        options["precision"] = model.precision
    return model.on(**options)


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
    """Return why a function cannot be called so; one in a user's file may be the network itself."""
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
