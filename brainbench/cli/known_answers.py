"""`brainbench data verify --known-answers`: whether data shows the figures that are known of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

from brainbench.cli import options

if TYPE_CHECKING:
    from brainbench.run.known_answers import Answer

_WORDS = {True: "holds", False: "DIFFERS", None: "not checked"}


def report(name: str | None, *, output_format: str, quiet: bool) -> None:
    """Compute the known figures of one data set, or of all that are here; exit with 1 if one differs."""
    options.one_of(output_format, ("table", "json"), "--format")

    from brainbench.cli import console
    from brainbench.core.errors import DataAbsentError

    console.start_logging(verbose=False)
    with console.loading(quiet=quiet):
        from brainbench.run.known_answers import check_known_answers, sets_with_known_answers
    names = [name] if name is not None else sets_with_known_answers()
    if not names:
        raise DataAbsentError(
            "no data set is here of which figures are known",
            allowed="a data set that is here, see `brainbench data list`",
            todo="run `brainbench data fetch NAME` first",
        )
    found: dict[str, list[Answer]] = {}
    for each in names:
        with console.working(f"known answers of {each}", quiet=quiet):
            found[each] = list(check_known_answers(each))
    if output_format == "json":
        console.print_json([_object(key, one) for key, group in found.items() for one in group])
    else:
        _print_table(found)
    if any(answer.holds is False for answers in found.values() for answer in answers):
        raise typer.Exit(1)


def _object(name: str, answer: Answer) -> dict[str, Any]:
    return {
        "data": name,
        **answer.known.model_dump(),
        "got": answer.got,
        "holds": answer.holds,
        "reason": answer.reason or None,
    }


def _print_table(found: Mapping[str, Sequence[Answer]]) -> None:
    from brainbench.cli import console
    from brainbench.cli.text import fitted

    table = console.table_of("known figure", figures=("expected", "got", "within", ""))
    for answers in found.values():
        for answer in answers:
            known = answer.known
            table.add_row(
                known.name,
                f"{known.expected:.4g}",
                "none" if answer.got is None else f"{answer.got:.4g}",
                f"{known.tolerance:g}",
                _WORDS[answer.holds],
            )
    console.stdout().print(table)
    for line in _notes(found):
        print(fitted(line, sys.stdout))


def _notes(found: Mapping[str, Sequence[Answer]]) -> list[str]:
    lines = []
    for name, answers in found.items():
        differ = [answer for answer in answers if answer.holds is False]
        if differ:
            lines.append(
                f"{name}: {len(differ)} known figures do not hold. This is not the published data, or it is "
                "not read as it was published: its scores are not those of the study."
            )
        reasons = dict.fromkeys(answer.reason for answer in answers if answer.reason)
        lines += [f"{name}: {reason}" for reason in reasons]
    return lines
