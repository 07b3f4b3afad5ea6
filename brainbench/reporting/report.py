"""The report: what was compared, the scores, figures, the method in words, warnings, record, commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brainbench.core import registry
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError
from brainbench.core.marks import MARKS, SIMULATED, marks_of
from brainbench.core.score import Score
from brainbench.plot.selection import told_apart
from brainbench.reporting.figures import WITHOUT, can_draw, groups_of
from brainbench.reporting.formulas import Formula, formula
from brainbench.reporting.page import render
from brainbench.storage.repeat import OWN_FILE, command_of

CITATION = "brainbench: scores with ceilings, intervals and provenance"


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something that has to be said, of how many scores, and of which models or benchmarks."""

    text: str
    n: int
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Section:
    """What a report says of one benchmark."""

    anchor: str
    name: str
    version: int
    simulated: bool
    declared: Mapping[
        str, str
    ]  # metric, ceiling, region, ... by name; empty where it is not installed
    formulas: tuple[tuple[str, Formula], ...]
    methods: tuple[str, ...]  # of its intervals
    choices: Mapping[str, Any]  # of the measure, from the record of its first score
    scores: tuple[Score, ...]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One score with its command."""

    anchor: str
    score: Score
    apart: str  # what tells it from other scores of the model on the benchmark; empty for one alone
    marks: tuple[str, ...]  # the symbols alone
    step: int | None  # of the layer; None where it has a single one
    command: str
    facts: Mapping[str, Any]  # of its record


def report_page(
    scores: Sequence[Score], *, unreadable: Sequence[str] = (), title: str = "Scores"
) -> str:
    """Return a page on scores of any models and benchmarks, at least one.

    `unreadable` is what is wrong with files of the results folder, which the page names.
    """
    ordered = sorted(scores, key=_place)
    alike: dict[tuple[str, ...], list[Score]] = {}
    for score in ordered:
        alike.setdefault((score.model, score.benchmark, score.protocol), []).append(score)
    entries = [
        _entry(score, k, told_apart(score, alike[score.model, score.benchmark, score.protocol]))
        for k, score in enumerate(ordered)
    ]
    names = list(dict.fromkeys(score.benchmark for score in ordered))
    sections = [
        _section(name, k, [s for s in ordered if s.benchmark == name])
        for k, name in enumerate(names)
    ]
    citations = [section.declared["citation"] for section in sections if section.declared]
    return render(
        "report.html.j2",
        title=title,
        entries=entries,
        sections=sections,
        models=list(dict.fromkeys(score.model for score in ordered)),
        protocols=sorted({score.protocol for score in ordered}),
        warnings=_warnings(ordered),
        figures=groups_of(ordered) if can_draw() else [],
        without_figures=None if can_draw() else WITHOUT,
        unreadable=unreadable,
        citations=list(dict.fromkeys([*citations, CITATION])),
        own_file=OWN_FILE if any(OWN_FILE in entry.command for entry in entries) else None,
    )


def _place(score: Score) -> tuple[Any, ...]:
    value = score.value
    return score.benchmark, value is None, -(value or 0.0), score.model, score.protocol


def _entry(score: Score, place: int, apart: str) -> Entry:
    record = {} if score.record is None else score.record.model_dump()
    facts = {key: value for key, value in record.items() if value not in (None, {}, [])}
    return Entry(
        anchor=f"score-{place + 1}",
        score=score,
        apart=apart,
        marks=tuple(mark[0] for mark in marks_of(score) if not mark[0].isalnum()),
        step=score.selection.step if _has_steps(score) else None,
        command=command_of(score),
        facts=facts,
    )


def _has_steps(score: Score) -> bool:
    return any(row.get("step") for row in score.selection.curve)


def _warnings(scores: Sequence[Score]) -> list[Warned]:
    """Return every mark that some score has, then what has no value."""
    having = {mark: [s for s in scores if mark in marks_of(s)] for mark in MARKS}
    warned = [
        _warned(mark, [s.benchmark if mark == SIMULATED else s.model for s in having[mark]])
        for mark in MARKS
        if having[mark]
    ]
    reasons: dict[str, list[str]] = {}
    for score in scores:
        if score.reason is not None:
            reason = score.reason.removeprefix(f"{score.benchmark}: ")
            words = f"no value ({score.status.replace('_', ' ')}): {reason}"
            reasons.setdefault(words, []).append(f"{score.model} on {score.benchmark}")
    return warned + [_warned(text, names) for text, names in reasons.items()]


def _warned(text: str, names: Sequence[str]) -> Warned:
    return Warned(text=text, n=len(names), names=tuple(dict.fromkeys(names)))


def _section(name: str, place: int, scores: Sequence[Score]) -> Section:
    formulas = dict.fromkeys(score.formula for score in scores if score.value is not None)
    methods = dict.fromkeys(score.ci_method for score in scores if score.ci_method)
    records = [score.record for score in scores if score.record is not None]
    return Section(
        anchor=f"benchmark-{place + 1}",
        name=name,
        version=scores[0].version,
        simulated=scores[0].simulated,
        declared=_declared(name),
        formulas=tuple((one, formula(one)) for one in formulas),
        methods=tuple(methods),
        choices=next((record.choices for record in records if record.choices), {}),
        scores=tuple(scores),
    )


def _declared(name: str) -> dict[str, str]:
    """Return what the declaration of a benchmark says, or that of which it is a variant."""
    base, _, variant = name.partition("+")
    if base not in registry.entries("benchmarks"):
        return {}
    try:
        benchmark: Benchmark = registry.load("benchmarks", base)
    except InputError:  # a broken plug-in
        return {}
    data = benchmark.data if isinstance(benchmark.data, str) else benchmark.data.name
    metric = f"as {base}, but {variant}: see the choices below" if variant else benchmark.metric
    return {
        "metric": metric,
        "ceiling": benchmark.ceiling,
        "region": benchmark.region,
        "window": "{:g} to {:g} ms from stimulus onset".format(*benchmark.window),
        "presentation": benchmark.presentation.describe(),
        "data": data,
        "citation": benchmark.citation,
    }
