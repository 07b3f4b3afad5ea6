"""Sweeps: many fits to one benchmark, by the workers that score, each stored once it is finished."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from brainbench.core import progress
from brainbench.core.errors import BrainbenchError, InputError
from brainbench.core.settings import Settings
from brainbench.run.resolve import one_benchmark
from brainbench.scoring.context import DataContext, Run
from brainbench.training.fit import device_named, fit, fit_unless_claimed
from brainbench.training.fitter import config_of, load_fitter
from brainbench.training.options import read_toml
from brainbench.training.spread import reports

_TABLES = ("options", "grid", "baseline", "variants")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Configurations to be fitted to one benchmark.

    Parameters
    ----------
    fitter, benchmark : str
        As on the command line; a benchmark of a file is "FILE.py:OBJECT".
    options : mapping
        The same in every fit.
    grid : mapping of str to sequence
        Options whose every combination is fitted.
    baseline : mapping
        Options of the model that others are compared with, in each combination of the grid.
    variants : mapping of str to sequence
        Options whose every combination is fitted too, in place of those of the baseline: the 24 recurrent
        variants of each feed-forward model in the paper.
    """

    fitter: str
    benchmark: str
    options: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    baseline: Mapping[str, Any] = field(default_factory=dict)
    variants: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @classmethod
    def from_file(cls, path: Path) -> Sweep:
        """Read a sweep from a TOML file with `fitter`, `benchmark` and tables; InputError for another."""
        given = read_toml(path, option="sweep")
        unknown_keys = sorted(set(given) - {"fitter", "benchmark", *_TABLES})
        missing = [key for key in ("fitter", "benchmark") if not isinstance(given.get(key), str)]
        wrong = [key for key in _TABLES if not isinstance(given.get(key, {}), dict)]
        single = [
            f"{table}.{key}"
            for table in ("grid", "variants")
            if table not in wrong
            for key, values in given.get(table, {}).items()
            if not isinstance(values, list) or not values
        ]
        problems = [
            f"{what} {', '.join(names)}"
            for what, names in (
                ("unknown", unknown_keys),
                ("without", missing),
                ("no table:", wrong),
                ("no list of values:", single),
            )
            if names
        ]
        if problems:
            raise InputError(
                f"sweep {path}: {'; '.join(problems)}",
                allowed="fitter and benchmark, and the tables options, grid, baseline, variants; those of "
                "grid and variants hold lists",
                todo="correct the file",
            )
        return cls(**given)

    def configurations(self) -> list[dict[str, Any]]:
        """Return the options of each fit: for each combination of the grid the baseline, then its variants.

        InputError for one that the fitter does not know or allow.
        """
        kind = load_fitter(self.fitter).config_type
        listed = []
        for combination in _combinations(self.grid):
            common = {**self.options, **combination}
            if self.baseline or not self.variants:
                listed.append({**common, **self.baseline})
            if self.variants:
                listed += [{**common, **variant} for variant in _combinations(self.variants)]
        for options in listed:
            config_of(kind, options, fitter=self.fitter)
        return listed


def _combinations(values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


@dataclass(frozen=True, kw_only=True)
class FitAssignment:
    """One fit, which travels to a worker as names and plain values."""

    fitter: str
    benchmark: str
    options: Mapping[str, Any]
    folder: Path
    device: str
    waits: bool = False  # for another process that is at the same fit


@dataclass(frozen=True, kw_only=True)
class FitReport:
    """The result of one fit: its file, or the reason why there is none."""

    options: Mapping[str, Any]
    path: Path | None = None
    is_new: bool = False
    cc_norm2: float | None = None  # on test images
    reason: str = ""


def fit_assigned(assignment: FitAssignment) -> FitReport | None:
    """Carry out one fit; one that cannot be done is a report with its reason.

    None where another process is at it, and the assignment does not wait.
    """
    fitting = fit if assignment.waits else fit_unless_claimed
    try:
        chosen = load_fitter(assignment.fitter)
        done = fitting(
            chosen,
            DataContext(benchmark=one_benchmark(assignment.benchmark), run=Run(Settings())),
            config_of(chosen.config_type, assignment.options, fitter=assignment.fitter),
            folder=assignment.folder,
            device=device_named(assignment.device),
        )
    except BrainbenchError as error:
        return FitReport(options=assignment.options, reason=error.got)
    if done is None:
        return None
    return FitReport(
        options=assignment.options,
        path=done.path,
        is_new=done.is_new,
        cc_norm2=done.file.figures["test"]["cc_norm2"],
    )


@dataclass(frozen=True)
class Fitting:
    """The work of a sweep, for `training.spread`."""

    plural: str = "fits"

    def carry_out(self, assignment: FitAssignment) -> FitReport | None:
        """Carry out one fit, unless another process is at it."""
        return fit_assigned(assignment)

    def failed(self, assignment: FitAssignment, reason: str) -> FitReport:
        """Return the report of a fit whose process ended without an answer."""
        return FitReport(options=assignment.options, reason=reason)


def run_sweep(
    sweep: Sweep,
    *,
    folder: Path,
    workers: int = 1,
    scheduler: str | None = None,
    device: str = "auto",
) -> Iterator[FitReport]:
    """Fit all configurations, and yield a report of each as it is finished.

    Those that are in the folder are not fitted again, so that the same call goes on where it stopped. Equal
    calls at once share the fits: what another one is at comes last, and is waited for.

    Parameters
    ----------
    sweep : Sweep
        What is fitted.
    folder : path
        Of the files.
    workers : int
        Processes side by side; 1 fits in this one.
    scheduler : str, optional
        Address of a scheduler of dask, whose workers fit instead; they see the same folder.
    device : str
        As in `fit.device_named`.

    Raises
    ------
    InputError
        A configuration that is not allowed, or a scheduler that does not answer.
    ScoringError
        The scheduler was lost.
    """
    assigned = [
        FitAssignment(
            fitter=sweep.fitter,
            benchmark=sweep.benchmark,
            options=options,
            folder=folder.absolute(),
            device=device,
        )
        for options in sweep.configurations()
    ]
    postponed = []
    with progress.current().task("fits", len(assigned)) as advance:
        done = reports(Fitting(), assigned, workers=workers, scheduler=scheduler)
        for assignment, report in done:
            if report is None:
                postponed.append(replace(assignment, waits=True))
                continue
            yield report
            advance(1)
        for assignment in postponed:
            last = fit_assigned(assignment)
            assert last is not None  # noqa: S101  # it has waited
            yield last
            advance(1)
