"""Options of the command line: made from the declarations in `core.settings`, and read as Python values."""

from __future__ import annotations

import ast
import contextlib
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from brainbench.core.errors import InputError, unknown
from brainbench.core.settings import flag_of, options_of, parameters_of, with_parameters

_CLOSED_BY = {"[": "]", "{": "}", "(": ")", '"': '"', "'": "'"}
PYTHON_WORDS = {"True": True, "False": False, "None": None}
CommandT = TypeVar("CommandT", bound=Callable[..., Any])
OptionsT = TypeVar("OptionsT")


def text_option(*names: str, metavar: str, help: str, complete: Any = None) -> Any:
    """Return an option of typer whose default is not shown; `complete` finds names that begin as a text."""
    return typer.Option(
        *names, metavar=metavar, help=help, show_default=False, autocompletion=complete
    )


NONE: list[str] = []
Weights = Annotated[
    str | None,
    text_option(
        "--weights",
        metavar="WHICH",
        help="auto (imagenet if it can be had), imagenet, untrained, or a file.",
    ),
]
ModelArgs = Annotated[
    list[str],
    text_option("--model-args", metavar="NAME=VALUE", help="Option for the model, as size=64."),
]
Format = Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")]
Csv = Annotated[
    Path | None, text_option("--csv", metavar="FILE", help="Write a CSV too, all digits kept.")
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Log details.")]
Workers = Annotated[int, typer.Option(min=1, metavar="N", help="Processes.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No bars, no notes.")]
ResultsFolder = Annotated[
    Path,
    typer.Option(
        "-o", "--output", metavar="DIR", envvar="BRAINBENCH_RESULTS", help="Results folder."
    ),
]
StoredResults = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        "--results",
        metavar="DIR",
        envvar="BRAINBENCH_RESULTS",
        help="Results folder.",
    ),
]
SeveralResults = Annotated[
    list[Path],
    typer.Option(
        "-r",
        "--results",
        metavar="DIR",
        envvar="BRAINBENCH_RESULTS",
        help="Results folder; several are read together.",
    ),
]
SeveralStored = Annotated[
    list[Path],
    typer.Option(
        "-o",
        "--output",
        "--results",
        metavar="DIR",
        envvar="BRAINBENCH_RESULTS",
        help="Results folder; several are read together.",
    ),
]
StoredModels = Annotated[
    list[str],
    text_option(
        "-m", "--model", metavar="MODEL", help="Only these: names, wildcards, comma lists."
    ),
]
StoredBenchmarks = Annotated[
    list[str],
    text_option(
        "-b", "--benchmark", metavar="BENCHMARK", help="Only these: names, wildcards, comma lists."
    ),
]
Protocol = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Scores of which protocol: paper, brainscore, paper+groups or brainscore+groups.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RESULTS = Path("results")
SEVERAL = [RESULTS]
ALL = ["all"]


def takes(*declarations: type) -> Callable[[CommandT], CommandT]:
    """Give a command that takes **options an option for each field of dataclasses of options."""

    def add_options(command: CommandT) -> CommandT:
        parameters = [
            _parameter(declaration, field)
            for declaration in declarations
            for field in parameters_of(declaration)
        ]
        signature = inspect.signature(command, eval_str=True)
        command.__signature__ = with_parameters(signature, parameters)  # type: ignore[attr-defined]
        return command

    return add_options


def _parameter(declaration: type, field: inspect.Parameter) -> inspect.Parameter:
    """Return a field as typer reads it: text for a choice, repeated text for a mapping."""
    option = options_of(declaration)[field.name]
    is_mapping = typing.get_origin(field.annotation) in (dict, Mapping)
    kind: Any = list[str] if is_mapping else _kind_of(field.annotation)
    info = typer.Option(
        flag_of(field.name),
        metavar=option.metavar,
        help=option.help,
        show_default=not is_mapping and field.default is not None,
    )
    return field.replace(
        annotation=Annotated[kind, info], default=NONE if is_mapping else field.default
    )


def _kind_of(annotation: Any) -> Any:
    """Return int, float or str, with None where it may be absent; of several kinds text is read."""
    members = set(typing.get_args(annotation)) or {annotation}
    required = members - {types.NoneType}
    kind = required.pop() if required in ({int}, {float}) else str
    return kind | None if types.NoneType in members else kind


def read_options(declaration: type[OptionsT], given: Mapping[str, Any]) -> OptionsT:
    """Return a dataclass of options from what typer has read."""
    values = {}
    for field in parameters_of(declaration):
        value = given[field.name]
        if isinstance(value, list):
            value = _pairs(
                (part for text in value for part in text.split(",")), flag_of(field.name)
            )
        elif isinstance(value, str) and int in typing.get_args(field.annotation):
            value = int(value) if value.isascii() and value.isdecimal() else value
        values[field.name] = value
    return declaration(**values)


def model_args(given: Sequence[str]) -> dict[str, Any]:
    """Return options for a model, from `["size=3,kernels=[7, 5]", "flag=true"]`: lists may hold commas."""
    texts = _pairs((part for text in given for part in _split(text)), "--model-args")
    return {key: value_of(text) for key, text in texts.items()}


def with_weights(arguments: Mapping[str, Any], weights: str) -> dict[str, Any]:
    """Return options for a model with the value of --weights among them, which must not be there yet."""
    if "weights" in arguments:
        raise InputError(
            "--model-args with weights, and --weights",
            allowed="one of the two",
            todo="give --weights alone",
        )
    return {**arguments, "weights": weights}


def _split(text: str) -> list[str]:
    """Split at each comma outside the brackets and quotes in which a value may stand."""
    parts, closers = [""], ""
    for char in text:
        quoted = closers[-1:] in ("'", '"')
        opens = char in _CLOSED_BY and not quoted
        if closers and char == closers[-1]:
            closers = closers[:-1]
        elif opens and (closers or parts[-1].rstrip().endswith("=")):
            closers += _CLOSED_BY[char]
        if char == "," and not closers:
            parts.append("")
        else:
            parts[-1] += char
    if closers:
        raise InputError(
            f"--model-args {parts[-1].strip()!r} without its closing {closers[::-1]}",
            allowed="a value whose brackets and quotes are closed, as kernels=[7,5,3,3,3,3]",
            todo="close it, and quote the whole for the shell: --model-args 'NAME=[1,2]'",
        )
    return parts


def _pairs(entries: Iterable[str], option: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for entry in entries:
        key, equals, value = (piece.strip() for piece in entry.partition("="))
        if not (key and equals and value):
            raise InputError(
                f"{option} {entry!r}", allowed="name=value", todo=f"write {option} name=value"
            )
        if values.get(key, value) != value:
            raise InputError(
                f"{option} gives {key} as {values[key]!r} and as {value!r}",
                allowed="one value for each name",
                todo="drop one of the two",
            )
        values[key] = value
    return values


def value_of(text: str) -> Any:
    """Return the value in `--model-args k=v`: a number, true, false, null, a list, a dict, else text.

    Words, lists and dicts may be spelled as in JSON or as in Python.

    Examples
    --------
    >>> [value_of(text) for text in ("3", "1e-3", "true", "False", "v2", '"3"', "[7, 5]")]
    [3, 0.001, True, False, 'v2', '3', [7, 5]]
    """
    if text in PYTHON_WORDS:
        return PYTHON_WORDS[text]
    try:
        return json.loads(text)
    except ValueError:
        return _python_value(text) if text[:1] in _CLOSED_BY else text


def _python_value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError) as error:
        if text[0] not in "[{":
            return text
        raise InputError(
            f"--model-args {text!r}, which cannot be read",
            allowed='a list as [7,5] or ["a","b"], a dict as {"V4":2}',
            todo="put names within it in quotes, and the whole in quotes for the shell",
        ) from error


def needed(given: list[str], option: str, listing: str) -> list[str]:
    """Return what was given; nothing at all is an InputError."""
    if not given:
        raise InputError(
            f"no {option}",
            allowed="a name, a wildcard, a comma list, or 'all'",
            todo=f"give {option} NAME; `{listing}` lists the names",
        )
    return given


def one_of(given: str, allowed: Sequence[str], option: str) -> None:
    """Raise UnknownNameError for a choice that is not allowed."""
    if given not in allowed:
        raise unknown(f"choice for {option}", given, allowed, todo=f"give {option} {allowed[0]}")


def writable_file(path: Path | None, option: str) -> None:
    """Raise InputError if a file cannot be written there: known before anything is computed."""
    if path is not None and (path.is_dir() or not path.absolute().parent.is_dir()):
        raise InputError(
            f"{option} {path}: " + ("a folder" if path.is_dir() else "there is no such folder"),
            allowed="a file in a folder that exists",
            todo=f"make the folder, or give another path with {option}",
        )


@contextlib.contextmanager
def writing_csv(path: Path, *, todo: str) -> Iterator[None]:
    """Raise InputError where the block cannot write the file of --csv."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"--csv {path} cannot be written ({error})",
            allowed="a file that you may write",
            todo=todo,
        ) from error
