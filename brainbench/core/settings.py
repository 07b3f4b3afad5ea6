"""Options of a run. Each is declared here once: type, default, help, allowed values.

The command line makes its options from these declarations, and the functions of `brainbench` their
parameters. A new option is a new field, and nothing else.
"""

from __future__ import annotations

import inspect
import math
import numbers
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from brainbench.core.arguments import fits, wrong_type
from brainbench.core.errors import InputError, unknown

ProtocolName = Literal["paper", "brainscore"]
PROTOCOLS: tuple[ProtocolName, ...] = typing.get_args(ProtocolName)
FORMULAS = ("raw", "r/c", "(r/c)^2", "r2/c", "r/sqrt(c)", "clip(r/c)")
"""Names of `stats.ceiling.FORMULAS`."""
GROUPED = "+groups"
"""End of the name of a protocol whose splits, draws and nulls take the groups that the user asks for."""
VARIANTS = (*PROTOCOLS, *(protocol + GROUPED for protocol in PROTOCOLS))
"""Protocols that scores are stored under."""
AUTO = "auto"
"""Groups of copies and near copies, in place of a column of the stimuli."""
Resample = Literal["both", "images", "units"]
RESAMPLES: tuple[Resample, ...] = typing.get_args(Resample)
Null = Literal["images", "within-object", "none"]
NULLS: tuple[Null, ...] = typing.get_args(Null)
PRECISIONS = ("float32", "bf16")
"""Names of `models.network.PRECISIONS`."""
FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Option:
    """Help text and allowed values of an option.

    `metavar` stands for its value, as "N" or "NAME"; `choices` are allowed words; a number is allowed
    from `least` up to, but not including, `below`.
    """

    help: str
    metavar: str
    choices: Sequence[str] = ()
    least: float = -math.inf
    below: float = math.inf

    def check(self, name: str, value: Any, hint: Any) -> None:
        """Raise UnknownNameError or InputError for a value that is not allowed, or not of the type `hint`."""
        is_bounded = (self.least, self.below) != (-math.inf, math.inf)
        if isinstance(value, str) and value in self.choices:
            return
        if self.choices and not is_bounded:
            todo = f"give {name}= (on the command line {flag_of(name)}) one of these: "
            todo += ", ".join(self.choices)
            raise unknown(name, str(value), self.choices, todo=todo)
        is_number = is_bounded and fits(value, float) and self.least <= value < self.below
        if not fits(value, hint) or is_number != is_bounded or value == "":
            todo = f"give {name}= (on the command line {flag_of(name)} {self.metavar})"
            raise wrong_type(name, value, self._allowed(hint, is_bounded), todo=todo)

    def _allowed(self, hint: Any, is_bounded: bool) -> str:
        if not is_bounded:
            return self.help
        whole = "whole " if fits(1, hint) and not fits(0.5, hint) else ""
        below = f", below {self.below:g}" if self.below < math.inf else ""
        return ", ".join([*self.choices, f"a {whole}number from {self.least:g}{below}"])


class _Declared:
    """A dataclass of options, whose values are checked."""

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(type(self))
        for name, option in options_of(type(self)).items():
            value = getattr(self, name)
            if isinstance(value, numbers.Number) and hasattr(value, "item"):
                value = value.item()  # a number of numpy
                object.__setattr__(self, name, value)
            if value is not None or not fits(None, hints[name]):
                option.check(name, value, hints[name])


@dataclass(frozen=True, kw_only=True)
class Settings(_Declared):
    """How scores are made: what a user chooses beyond model and benchmark."""

    layers: Annotated[
        Mapping[str, str],
        Option(metavar="REGION=LAYER", help="Layer for a region, as IT=IT.output."),
    ] = field(default_factory=dict)
    protocol: Annotated[
        ProtocolName,
        Option(
            metavar="NAME",
            choices=PROTOCOLS,
            help="paper (as published) or brainscore (as Brain-Score 2 computes).",
        ),
    ] = "paper"
    seed: Annotated[int, Option(metavar="N", least=0, help="Seed of splits and resampling.")] = 0
    limit: Annotated[
        int | None,
        Option(metavar="N", least=2, help="Use at most N stimuli; scores are marked partial."),
    ] = None
    formula: Annotated[
        str | None,
        Option(
            metavar="NAME",
            choices=FORMULAS,
            help="Value from raw and ceiling: raw, r2/c, '(r/c)^2', r/c, 'r/sqrt(c)' or 'clip(r/c)'; else "
            "the measure's own.",
        ),
    ] = None
    floor: Annotated[
        float | None,
        Option(metavar="C", least=0, below=1, help="Omit units less reliable than this."),
    ] = None
    resample: Annotated[
        Resample,
        Option(
            metavar="WHAT",
            choices=RESAMPLES,
            help="What intervals treat as random: both, images, units.",
        ),
    ] = "both"
    null: Annotated[
        Null | None,
        Option(
            metavar="WHAT",
            choices=NULLS,
            help="Score shuffled images too: images (of the whole set), within-object or none; else "
            "the measure's own.",
        ),
    ] = None
    null_draws: Annotated[int, Option(metavar="N", least=1, help="Number of shuffles.")] = 100
    groups: Annotated[
        str | None,
        Option(
            metavar="COLUMN",
            help="Keep images of a group together in splits, draws and nulls: a column of the stimuli, "
            "or auto for copies and near copies.",
        ),
    ] = None

    @property
    def variant(self) -> str:
        """Name of the protocol, with "+groups" where the user asks for groups."""
        return self.protocol + (GROUPED if self.groups else "")


@dataclass(frozen=True, kw_only=True)
class Variant(_Declared):
    """What replaces a part of a benchmark: scores of variants have a name of their own."""

    metric: Annotated[
        Any | None,
        Option(
            metavar="MAP",
            help="Another map for predictivity, as ridge-cv; reverse, from sites to units; units, for a "
            "model fitted to the sites; or your own estimator: FILE.py:NAME.",
        ),
    ] = None
    beyond: Annotated[
        Any | None,
        Option(
            metavar="MODELS",
            help="Variance of the sites that the model explains beyond these, as pixels,gabor.",
        ),
    ] = None


Reference = Literal["animals"]
REFERENCES: tuple[Reference, ...] = typing.get_args(Reference)


@dataclass(frozen=True, kw_only=True)
class Beside(_Declared):
    """What is shown beside scores, and changes none of them."""

    reference: Annotated[
        Reference | None,
        Option(
            metavar="WHAT",
            choices=REFERENCES,
            help="Show beside scores how well the sites of other animals predict each animal's: animals.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Placement(_Declared):
    """How models are run."""

    device: Annotated[
        str, Option(metavar="DEVICE", help="Where models run: auto, cpu, cuda, cuda:1, mps.")
    ] = "auto"
    batch_size: Annotated[
        int | str,
        Option(metavar="N", choices=("auto",), least=1, help="Images per forward pass, or auto."),
    ] = "auto"
    precision: Annotated[
        str,
        Option(
            metavar="NAME",
            choices=PRECISIONS,
            help="float32, or bf16 (marked in the model's name).",
        ),
    ] = "float32"


@dataclass(frozen=True, kw_only=True)
class Spread(_Declared):
    """How a run is spread over processes and machines."""

    workers: Annotated[
        int,
        Option(
            metavar="N", least=1, help="Processes that score side by side and share the machine."
        ),
    ] = 1
    shard: Annotated[
        str | None,
        Option(metavar="I/N", help="Score only the I-th of N parts, as a job array does: 3/8."),
    ] = None
    scheduler: Annotated[
        str | None,
        Option(metavar="ADDRESS", help="Score on the workers of this scheduler of dask."),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        number, _, of = (self.shard or "1/1").partition("/")
        if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
            raise InputError(
                f"shard={self.shard!r}",
                allowed="I/N with I from 1 to N, as 3/8",
                todo="give shard= (on the command line --shard I/N)",
            )
        if self.scheduler is not None and self.workers > 1:
            raise InputError(
                f"workers={self.workers} with a scheduler, whose workers are on the cluster",
                allowed="one of the two",
                todo="drop --workers: the scheduler has as many as were started for it",
            )


def options_of(declaration: type) -> dict[str, Option]:
    """Return the option of each field of a dataclass of options."""
    hints = typing.get_type_hints(declaration, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


def flag_of(name: str) -> str:
    """Return how the command line writes an option: "--null-draws"."""
    return "--" + name.replace("_", "-")


def flags_of(settings: Settings) -> list[str]:
    """Return the words of the command line that give the settings which are not the defaults."""
    defaults, flags = Settings(), list[str]()
    for name in options_of(Settings):
        value = getattr(settings, name)
        if value != getattr(defaults, name):
            several = (
                [f"{key}={item}" for key, item in value.items()] if name == "layers" else [value]
            )
            flags += [word for one in several for word in (flag_of(name), str(one))]
    return flags


def parameters_of(declaration: type) -> list[inspect.Parameter]:
    """Return a keyword parameter for each field of a dataclass of options."""
    types = typing.get_type_hints(declaration)
    defaults, keyword = declaration(), inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(name, keyword, default=getattr(defaults, name), annotation=types[name])
        for name in options_of(declaration)
    ]


def with_parameters(
    signature: inspect.Signature, parameters: Sequence[inspect.Parameter], *, others: bool = False
) -> inspect.Signature:
    """Return a signature with parameters in the place of its **options.

    They follow the positional parameters; with `others` the **options stay, for further ones.
    """
    given = list(signature.parameters.values())
    positional = [p for p in given if p.kind < inspect.Parameter.VAR_POSITIONAL]
    named = [p for p in given if p.kind == inspect.Parameter.KEYWORD_ONLY]
    rest = given[-1:] if others else []
    return signature.replace(parameters=[*positional, *parameters, *named, *rest])


def takes(*declarations: type, others: bool = False) -> Callable[[FunctionT], FunctionT]:
    """Give a function that takes **options the signature that names them, for help() and completion."""

    def name_options(function: FunctionT) -> FunctionT:
        parameters = [p for declaration in declarations for p in parameters_of(declaration)]
        signature = with_parameters(inspect.signature(function), parameters, others=others)
        function.__signature__ = signature  # type: ignore[attr-defined]
        return function

    return name_options


def chosen(
    given: Mapping[str, Any], declarations: Sequence[type], function: Callable[..., Any]
) -> list[Any]:
    """Return one instance of each dataclass of options, from the keyword arguments of a function.

    `given` are its **options, where None stands for the default; `declarations` are such as (Settings,
    Placement). UnknownNameError for an option that does not exist, with the closest parameters of
    `function`; InputError for a value that is not allowed.
    """
    names = {kind: options_of(kind).keys() & given.keys() for kind in declarations}
    for name in given:
        if not any(name in known for known in names.values()):
            raise unknown(
                "option",
                name,
                list(inspect.signature(function).parameters),
                todo=f"see help(brainbench.{function.__name__})",
            )
    values = {name: value for name, value in given.items() if value is not None}
    return [
        kind(**{name: values[name] for name in names[kind] & values.keys()})
        for kind in declarations
    ]
