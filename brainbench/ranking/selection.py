"""Which stored scores are asked for: folders, models, benchmarks, protocol, trained or not."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from brainbench.core.errors import InputError, unknown
from brainbench.core.score import Score
from brainbench.storage.index import indexed
from brainbench.storage.results import Results

ALL = ("all",)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What is asked for among stored scores.

    Parameters
    ----------
    models, benchmarks : sequence of str
        Names, comma lists and wildcards, or "all".
    protocol : str, optional
        By default all.
    trained : bool
        Only models whose weights are not seeded random numbers.
    """

    models: Sequence[str] = ALL
    benchmarks: Sequence[str] = ALL
    protocol: str | None = None
    trained: bool = False

    def of(self, scores: Sequence[Score], *, where: str) -> list[Score]:
        """Return those of the scores that are asked for.

        Raises
        ------
        UnknownNameError
            A name or wildcard that matches none.
        InputError
            No score is left.
        """
        models = _matching("model", self.models, {score.model for score in scores})
        benchmarks = _matching("benchmark", self.benchmarks, {s.benchmark for s in scores})
        kept = [
            score
            for score in scores
            if score.model in models
            and score.benchmark in benchmarks
            and self.protocol in (None, score.protocol)
            and not (self.trained and score.untrained)
        ]
        if not kept:
            there = sorted({score.protocol for score in scores})
            raise InputError(
                f"none of the {len(scores)} scores in {where} is asked for",
                allowed=f"scores of protocol {', '.join(there)}" if there else "stored scores",
                todo="score a model first, give the folder, or ask for less",
            )
        return kept


EVERYTHING = Chosen()


def _matching(what: str, patterns: Iterable[str], known: set[str]) -> set[str]:
    """Return the known names that patterns stand for."""
    found: set[str] = set()
    for part in (part.strip() for text in patterns for part in text.split(",") if part.strip()):
        hits = {name for name in known if part in ("all", name) or fnmatch.fnmatchcase(name, part)}
        hits |= {name for name in known if what == "model" and name.partition("@")[0] == part}
        if not hits and part != "all":
            todo = f"score it first, or name a {what} of the results folder"
            raise unknown(f"{what} among the stored scores", part, sorted(known), todo=todo)
        found |= hits
    return found


def stored(results: Results) -> tuple[list[Score], list[str]]:
    """Return every score of a folder that can be read, and what is wrong with other files and folders."""
    scores, unreadable = [], results.unreadable_folders()
    for path in results.files():
        try:
            scores.append(results.read(path))
        except InputError as error:  # one broken file does not hide the others
            unreadable.append(error.got)
    return scores, unreadable


def summaries_in(folders: Sequence[Results]) -> tuple[list[Score], list[str]]:
    """Return the scores of folders, each once and without what is large, and what is wrong with others.

    See `storage.index.indexed`. A score that several folders have is that of the first; where their figures
    differ, this is said. InputError where no folder has a score.
    """
    scores: dict[str, Score] = {}
    problems: list[str] = []
    for folder in dict.fromkeys(folders):
        found = indexed(folder)
        problems += found.unreadable
        for score in found.scores:
            first = scores.setdefault(_name_within(score), score)
            if first.value != score.value:
                problems.append(f"{score.file} has {score.value}, and {first.file} {first.value}")
    _check_any(named(folders), scores.values(), problems)
    return list(scores.values()), problems


def whole(score: Score) -> Score:
    """Return a score of a summary with all that its file has; errors as in `Results.read`."""
    path = Path(str(score.file))
    return Results(path.parent.parent).read(path)


def stored_in(folders: Sequence[Results], chosen: Chosen) -> tuple[list[Score], list[str]]:
    """Return the whole scores of folders that are asked for, and what is wrong with other files.

    Errors as in `summaries_in` and `Chosen.of`.
    """
    summaries, problems = summaries_in(folders)
    scores = []
    for summary in chosen.of(summaries, where=named(folders)):
        try:
            scores.append(whole(summary))
        except InputError as error:
            problems.append(error.got)
    _check_any(named(folders), scores, problems)
    return scores, problems


def _name_within(score: Score) -> str:
    """Return the name of a score within its folder, which is a key of its content."""
    return "/".join(str(score.file).rsplit("/", 2)[-2:])  # as `indexed` names it


def digits_of(score: Score) -> str:
    """Return the digits of the key of a stored score, by which it can be named."""
    return Path(str(score.file)).stem.rpartition("-")[2]


def one_stored(folders: Sequence[Results], which: str) -> Score:
    """Return the whole score of a file, or of the first digits of its key.

    Raises
    ------
    UnknownNameError
        No score has these digits.
    InputError
        Several scores have them; or a file that cannot be read, see `Results.read`.
    """
    path = Path(which)
    if path.suffix == ".json" or path.is_file():
        return Results(path.parent.parent).read(path)
    summaries, _ = summaries_in(folders)
    hits = [score for score in summaries if digits_of(score).startswith(which)]
    if len(hits) == 1:
        return whole(hits[0])
    if not hits:
        known = [digits_of(score) for score in summaries]
        todo = "see `brainbench results list`, or name the file"
        raise unknown(f"score in {named(folders)}", which, known, todo=todo)
    raise InputError(
        f"{len(hits)} scores whose digits begin with {which!r}",
        allowed=", ".join(digits_of(score) for score in hits[:6]),
        todo="give more digits, or name the file",
    )


def named(folders: Sequence[Results]) -> str:
    """Return the names of folders, for messages."""
    return ", ".join(str(results.folder) for results in folders)


def _check_any(where: str, scores: Collection[Score], unreadable: Sequence[str]) -> None:
    """Raise InputError where no score could be read."""
    if scores:
        return
    first = "".join(f"; {text}" for text in unreadable[:1])
    raise InputError(
        f"no score in {where}{first}",
        allowed="a folder that `brainbench score -o DIR` has written to",
        todo="score a model first, or give the folder with -o DIR",
    )
