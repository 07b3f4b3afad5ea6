"""`brainbench explain`: why two stored scores of one model and benchmark differ."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli import options

if TYPE_CHECKING:
    from brainbench.core.score import Score
    from brainbench.ranking.explanation import Difference

OTHER_BATCH = 8
"""Images per forward pass of the rerun that changes it; scores do not record it."""
_SETTINGS = ("seed", "protocol")
_PLACEMENT = ("precision", "device")
_FRESH = ("device", "batch_size")  # what the key of cached activations does not have


def explain(
    first: Annotated[str, typer.Argument(metavar="A", help="A result file, or digits.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another of the same model.")],
    rerun: Annotated[
        bool,
        typer.Option(
            "--rerun",
            help="Score as A again, and with seed, protocol, precision, device as in B, and "
            "another batch size, one at a time.",
        ),
    ] = False,
    model: Annotated[
        str | None,
        options.text_option("-m", "--model", metavar="FILE.py:NAME", help="A model of your own."),
    ] = None,
    output_format: options.Format = "table",
    output: options.SeveralStored = options.SEVERAL,
    quiet: options.Quiet = False,
) -> None:
    """Explain why two stored scores of one model and benchmark differ.

    Every entry of their records that differs is named, likely causes first.
    `brainbench results list` shows the digits that name a score.

    Exit status: 0; 2 for wrong usage, or scores that are not of one model and benchmark.
    """
    options.one_of(output_format, ("table", "json"), "--format")

    from brainbench.cli import console
    from brainbench.core import progress

    with console.loading(quiet=quiet):
        from brainbench.ranking.explanation import explain as explain_scores
        from brainbench.ranking.selection import one_stored
        from brainbench.storage.results import Results

    folders = [Results(folder) for folder in output]
    scores = one_stored(folders, first), one_stored(folders, second)
    differences = explain_scores(*scores)
    with progress.use(console.reporter(quiet=quiet)):
        reruns = list(_reruns(*scores, model=model)) if rerun else []
    if output_format == "json":
        console.print_json(
            {
                "values": [score.value for score in scores],
                "differences": [_plain(one) for one in differences],
                "reruns": reruns,
            }
        )
        return
    _print(scores, differences, reruns)


def _print(
    scores: tuple[Score, Score], differences: list[Difference], reruns: list[dict[str, Any]]
) -> None:
    from brainbench.cli import console
    from brainbench.core.digits import decimal

    one, other = scores
    print(f"{one.model} on {one.benchmark}: {_value(one)} and {_value(other)}\n")
    if differences:
        rows = [
            {"": d.kind, "entry": d.entry, "A": _short(d.first), "B": _short(d.second)}
            for d in differences
        ]
        console.print_rows(rows)
    elif one.file == other.file:
        print("this is one score, named twice")
    else:
        print("no entry of the records differs: what is left is the hardware, or the batch size")
    if reruns:
        print()
        console.print_rows(
            [
                {
                    "again": row["changed"],
                    "to": "" if row["to"] is None else str(row["to"]),
                    "score": decimal(row["value"]) or str(row["reason"]).partition("\n")[0],
                    "from A": "" if row["difference"] is None else f"{row['difference']:+.2g}",
                }
                for row in reruns
            ]
        )


def _reruns(one: Score, other: Score, *, model: str | None) -> Iterator[dict[str, Any]]:
    """Yield the score as A again, then with one thing changed at a time."""
    from brainbench.api import score as score_again

    base, changes = _again(one, other)
    for changed, change in changes:
        with _fresh_activations(needed=changed in _FRESH):
            made: Any = score_again(
                model or one.model.removesuffix("+bf16"),
                one.benchmark,
                errors="ignore",
                **{**base, **change},
            )
        known = made.value is not None and one.value is not None
        yield {
            "changed": changed.replace("_", " "),
            "to": change.get(changed),
            "value": made.value,
            "difference": made.value - one.value if known else None,
            "reason": made.reason,
        }


def _again(one: Score, other: Score) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    """Return the options that made a score, and each change of one of them."""
    from brainbench.core.errors import InputError
    from brainbench.core.settings import Settings, options_of

    if one.record is None or other.record is None or "+" in one.benchmark:
        raise InputError(
            f"--rerun of {one.model} on {one.benchmark}",
            allowed="scores with a record, of a benchmark that is not a variant",
            todo="omit --rerun, and score with the options that `brainbench results show` names",
        )
    settings = [score.record.settings for score in (one, other) if score.record]
    base = {key: settings[0][key] for key in options_of(Settings) if key in settings[0]}
    base |= {"precision": one.record.precision, "device": one.record.device}
    changes: list[tuple[str, dict[str, Any]]] = [("nothing", {})]
    for name in _SETTINGS:
        if settings[0].get(name) != settings[1].get(name):
            changes.append((name, {name: settings[1].get(name)}))
    for name in _PLACEMENT:
        if base[name] != getattr(other.record, name):
            changes.append((name, {name: getattr(other.record, name)}))
    return base, [*changes, ("batch_size", {"batch_size": OTHER_BATCH})]


@contextlib.contextmanager
def _fresh_activations(*, needed: bool) -> Iterator[None]:
    """Use a cache without activations while the block runs; all else is that of the user."""
    from brainbench.storage import cache

    if not needed:
        yield
        return
    folder, former = cache.default().folder, os.environ.get(cache.ENVIRONMENT)
    with tempfile.TemporaryDirectory() as temporary:
        for kind in folder.glob("*/"):
            if kind.name not in ("activations", "locks"):
                (Path(temporary) / kind.name).symlink_to(kind.resolve())
        os.environ[cache.ENVIRONMENT] = temporary
        try:
            yield
        finally:
            if former is None:
                del os.environ[cache.ENVIRONMENT]
            else:
                os.environ[cache.ENVIRONMENT] = former


def _plain(difference: Difference) -> dict[str, Any]:
    return {
        "kind": difference.kind,
        "entry": difference.entry,
        "first": difference.first,
        "second": difference.second,
    }


def _value(score: Score) -> str:
    return score.status if score.value is None else f"{score.value:.6g}"


def _short(value: Any) -> str:
    """Return a value in at most 40 letters, of a hash the first digits."""
    text = "none" if value is None else str(value)
    is_hash = len(text) == 64 and text.isalnum()
    return text[:12] if is_hash else text if len(text) <= 40 else f"{text[:39]}…"
