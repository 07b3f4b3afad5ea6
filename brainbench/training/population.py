"""Mean responses of the neurons of a benchmark, to which networks are fitted, and their prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainbench.core.errors import InputError, unknown
from brainbench.core.stimuli import StimulusSet
from brainbench.metrics.array_types import AnyArray, FloatArray, IntArray
from brainbench.metrics.explained_variance.ccnorm import explained
from brainbench.metrics.reductions import nan_mean
from brainbench.scoring.context import DataContext, Session
from brainbench.scoring.regression.explained_variance import (
    ExplainableVariance,
    repeated_sessions,
    session_target,
)
from brainbench.scoring.regression.sessions import SessionTarget, check_distinct_sites

_SHOWN = 5
_ROUNDING = 1e-9  # share of the largest response


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Neurons of one or several recording sessions with the same pictures, side by side.

    Parameters
    ----------
    benchmark : str
        Identifier of the benchmark of explainable variance that the recordings are of.
    data, version, region : str
        Data set, its version, and the region.
    sessions : sequence of SessionTarget
        Recordings of each session, and which of its neurons have a signal.
    """

    benchmark: str
    data: str
    version: str
    region: str
    sessions: Sequence[SessionTarget]

    @property
    def stimuli(self) -> StimulusSet:
        """Pictures, sorted by id."""
        return self.sessions[0].recordings.stimuli

    @property
    def strata(self) -> AnyArray | None:
        """The object that each picture shows, to stratify by; None without objects."""
        return self.sessions[0].recordings.strata

    @property
    def groups(self) -> AnyArray | None:
        """Group of each picture that splits keep together; None for none."""
        return self.sessions[0].recordings.split_groups

    @property
    def neuroid_ids(self) -> tuple[str, ...]:
        """All neurons, with and without a signal."""
        ids = [one.recordings.neuroid_ids for one in self.sessions]
        return tuple(np.concatenate(ids).tolist())

    @property
    def responses(self) -> FloatArray:
        """Mean response over trials, picture x neuron."""
        return np.concatenate([one.recordings.values for one in self.sessions], axis=1)

    def cc_norm2(
        self, predicted: Sequence[FloatArray], rows: Sequence[IntArray]
    ) -> tuple[FloatArray, tuple[str, ...]]:
        """Return CC_norm^2 of each neuron with a signal, mean over folds, and the ids of these neurons.

        `predicted` has the pictures of each fold x all neurons, `rows` these pictures. It is the figure of
        the benchmark without a map, variant "paper": the signal power is that of all pictures.
        """
        values, names, first = [], [], 0
        for session in self.sessions:
            n, sites = len(session.sites), session.sites
            columns = np.flatnonzero(sites) + first
            of_folds = [
                explained(fold[:, columns], session.responses[fold_rows], session.power).cc_norm
                ** 2
                for fold, fold_rows in zip(predicted, rows, strict=True)
            ]
            values.append(nan_mean(np.stack(of_folds), axis=0))
            names += session.recordings.neuroid_ids[sites].tolist()
            first += n
        return np.concatenate(values), tuple(names)


def population_of(context: DataContext, sessions: Sequence[str] = ()) -> Population:
    """Return the neurons of the sessions of a benchmark, all by default.

    Raises
    ------
    InputError
        Another measure than explainable variance, whose recordings have trials; no repeated trials; or
        sessions with different pictures, which cannot share a model.
    UnknownNameError
        A session that does not exist, or has no repeated trials.
    """
    measure, identifier = context.benchmark.measure, context.benchmark.identifier
    if not isinstance(measure, ExplainableVariance):
        raise InputError(
            f"a fit to {identifier}, a benchmark of {type(measure).__name__}",
            allowed="a benchmark of explainable variance, as Simulated.V1-ccnorm2",
            todo="choose one with -b; `brainbench list benchmarks` lists them",
        )
    chosen = _chosen(repeated_sessions(context)[0], sessions, identifier)
    targets = [session_target(context, one, measure.trials) for one in chosen]
    check_distinct_sites(targets)
    first = targets[0].recordings.stimuli
    others = [one.name for one in targets[1:] if one.recordings.stimuli.digests != first.digests]
    if others:
        raise InputError(
            f"sessions {', '.join(one.name for one in targets)} of {identifier}, whose pictures differ",
            allowed="sessions with the same pictures, which share one model",
            todo=f"choose some with --set sessions={targets[0].name}",
        )
    return Population(
        benchmark=identifier,
        data=context.data.name,
        version=context.data_version,
        region=context.benchmark.region,
        sessions=targets,
    )


def _chosen(known: list[Session], names: Sequence[str], identifier: str) -> list[Session]:
    by_name = {one.name: one for one in known}
    for name in names:
        if name not in by_name:
            what = f"session with repeated trials of {identifier}:"
            raise unknown(what, name, list(by_name), todo="give sessions= some of these")
    return [by_name[name] for name in names] if names else known


def fitted_neurons(population: Population, leave_out: Sequence[str]) -> IntArray:
    """Return the numbers of the neurons that are fitted: all but those that the user leaves out.

    Raises
    ------
    InputError
        A neuron that responds the same to every picture, or whose mean response is not above 0.
    UnknownNameError
        A neuron to be left out that does not exist.
    """
    ids, responses = population.neuroid_ids, population.responses
    for name in leave_out:
        if name not in ids:
            raise unknown("neuron", name, ids, todo="give leave_out= some of these")
    kept = np.array([k for k, name in enumerate(ids) if name not in set(leave_out)], dtype=np.intp)
    if not len(kept):
        raise InputError(
            f"a fit to none of the {len(ids)} neurons of {population.benchmark}",
            allowed="at least one neuron",
            todo="leave out fewer",
        )
    own = responses[:, kept]
    for is_wrong, what in (
        (~np.isfinite(own).all(axis=0), "a response that is not finite"),
        (np.ptp(own, axis=0) == 0, "the same response to every picture"),
        (
            ~(own.mean(axis=0) > _ROUNDING * np.abs(own).max(axis=0)),
            "a mean response that is not above 0",
        ),
    ):
        wrong = [ids[k] for k in kept[is_wrong]]
        if wrong:
            more = f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
            raise InputError(
                f"{len(wrong)} of {len(kept)} neurons of {population.benchmark} with {what}: "
                f"{', '.join(wrong[:_SHOWN])}{more}",
                allowed="neurons whose responses vary over the pictures, with a mean above 0",
                todo=f"leave them out: --set leave_out={','.join(wrong[:_SHOWN])}",
            )
    return kept


def summary_of(values: FloatArray) -> dict[str, Any]:
    """Return mean and number of the neurons that have a figure."""
    finite = values[np.isfinite(values)]
    return {
        "cc_norm2": float(finite.mean()) if len(finite) else None,
        "n_neurons": len(finite),
    }
