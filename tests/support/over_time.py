"""Responses over time whose truth is known, for tests of neural dynamics."""

from dataclasses import replace

import numpy as np
from known import Known, brain

from brainbench.core.benchmark import Benchmark
from brainbench.core.model import check_model
from brainbench.core.presentation import Presentation
from brainbench.core.timeline import Timeline
from brainbench.scoring.context import ModelRun, Run, RunContext
from brainbench.scoring.dynamics.evaluation import DynamicsEvaluation
from brainbench.scoring.dynamics.maps import Ballot, FoldFit, RidgeFitter
from brainbench.scoring.dynamics.measure import Dynamics
from brainbench.scoring.dynamics.target import BinnedRecordings
from brainbench.scoring.recordings import material_of
from brainbench.stats.splits import Split

N, SITES, P, BINS = 80, 6, 8, 6
TIME = [(10.0 * k, 10.0 * (k + 1)) for k in range(BINS)]
CLOCK = Timeline(name="steps", source="test", steps={"IT": TIME, "other": TIME})


def benchmark(data, *, window=(0, 60), **options):
    return Benchmark(
        identifier="Known.IT-dynamics",
        version=1,
        data=data,
        region="IT",
        window=window,
        presentation=Presentation(kind="pulse", on_ms=100, total_ms=250),
        measure=Dynamics(**{"n_splits": 4, **options}),
        metric="r",
        ceiling="split-half",
        citation="nobody",
    )


def model_of(data, X, *, clock=CLOCK, others=None, **options):
    return Known(
        responses={"IT": X, **(others or {})},
        ids=data.pictures.ids,
        clocks={clock.name: clock},
        **{"areas": {"IT": ["IT"]}, "static": X.shape[2] == 1, **options},
    )


def evaluation_of(case, model, settings):
    """Return the evaluation that a score is made from."""
    model_run = ModelRun(check_model(model, name="known"))
    context = RunContext(benchmark=case, run=Run(settings), model_run=model_run)
    measure = case.measure
    target = measure.target(context)
    return measure.evaluate(context, target, measure.candidates(context, target))


def with_coordinates(data, values=None, **coordinates):
    """Return the same data with other responses, where given, and coordinates of the neuroids."""
    recorded = data.regions["IT"]
    if values is not None:
        recorded = recorded.copy(data=values).assign_attrs(missing="nan")
    recorded = recorded.assign_coords({key: ("neuroid", c) for key, c in coordinates.items()})
    return replace(data, regions={"IT": recorded})


def evaluation_of_predictions(predicted, trials, *, scored=None):
    """Return the evaluation of predictions of all images, without a map; r/sqrt(c).

    `predicted` is stimulus x site x bin, `trials` repetition x stimulus x site x bin, `scored` the bins that
    the value is the mean of, or None for those that trials choose.
    """
    time = [(10.0 * k, 10.0 * (k + 1)) for k in range(trials.shape[3])]
    data = brain(None, trials=trials, time=time)
    recordings = BinnedRecordings(
        stimuli=data.pictures,
        bins=tuple(time),
        values=trials.mean(axis=0),
        trials=trials,
        strata=None,
        neuroids=data.regions["IT"].coords["neuroid_id"],
        partial=False,
        normalized_by="nothing",
    )
    every = np.arange(len(predicted))
    fit = FoldFit(
        fold=Split(train=every[:0], test=every),
        ballot=Ballot(votes={}, explained={}),
        predicted=predicted,
        penalty=np.full(trials.shape[2], np.nan),
        features=[],
    )
    return DynamicsEvaluation(
        material=material_of([recordings]),
        formula="r/sqrt(c)",
        recordings=recordings,
        fits=[fit],
        scored=scored,
        floor=None,
        population="sites",
        details={},
        seeds={},
        fitter=RidgeFitter(),
    )
