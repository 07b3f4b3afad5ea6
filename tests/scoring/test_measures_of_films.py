"""Measures whose stimuli are films pass the tests that all measures share."""

from functools import cache

import numpy as np
from known import Known
from measure_tester import MeasureTester

from brainbench.core import assembly, stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.data.arrays import ArrayData
from brainbench.scoring.curvature.measure import Curvature
from brainbench.scoring.interval_and_null import drawn_images
from brainbench.stats.bootstrap import image_counts
from brainbench.stats.permutation import shuffles

N_FILMS, N_FRAMES, N_SITES, N_TRIALS = 24, 5, 12, 12


@cache
def filmed(trials):
    """Films that sites bend by angles of 20 to 120 degrees, and the means of these sites as a model."""
    rng = np.random.default_rng(0)
    means = []
    for angle in np.linspace(20, 120, N_FILMS):
        directions = np.linalg.qr(rng.standard_normal((N_SITES, 2)))[0].T
        turns = np.radians(angle) * np.arange(N_FRAMES - 1)
        steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) @ directions
        means.append(6 + 3 * np.vstack([np.zeros(N_SITES), np.cumsum(steps, axis=0)]))
    means = np.concatenate(means)
    counts = rng.poisson(np.square(means), (N_TRIALS, *means.shape)).astype(float)
    ids = [f"reel{k // N_FRAMES:02d}-{k % N_FRAMES}" for k in range(len(means))]
    reel, frame = np.repeat(np.arange(N_FILMS), N_FRAMES), np.tile(np.arange(N_FRAMES), N_FILMS)
    shown = stimuli.from_arrays(
        "Films",
        rng.integers(0, 256, (len(ids), 4, 4, 3), dtype=np.uint8),
        ids=ids,
        metadata={"reel": reel, "frame": frame, "category": ["natural"] * len(ids)},
    )
    recorded = assembly.make(
        counts if trials else counts.mean(axis=0),
        stimulus={"stimulus_id": ids},
        neuroid={"neuroid_id": [f"site{k}" for k in range(N_SITES)]},
        repetitions=trials,
        units="spikes",
    )
    data = ArrayData(name="Films", pictures=shown, regions={"V1": recorded})
    noisy = (means + rng.normal(0, 0.3, means.shape)) / 10
    return data, Known(responses={"V1": noisy[:, :, None]}, ids=ids, areas={"V1": ["V1"]})


class TestCurvature(MeasureTester):
    n_images = N_FILMS * N_FRAMES
    limit, few = 100, 60
    has_units = has_floor = has_ceiling = False
    needs_trials = True
    formulas = ("raw",)

    def case(self, *, trials=True):
        data, model = filmed(trials)
        return Benchmark(
            identifier="Films.V1-curvature",
            version=1,
            data=data,
            region="V1",
            window=(0, 100),
            measure=Curvature(film=("reel",), group="reel", n_halvings=20),
            metric="r",
            ceiling="none",
            citation="nobody",
        ), model

    def two_draws(self, evaluation):
        times = np.random.default_rng(0).integers(0, 3, (2, N_FILMS)).astype(float)
        return np.repeat(times, N_FRAMES, axis=1)

    def repeated(self, evaluation, counts):
        films = np.repeat(np.arange(N_FILMS), counts[::N_FRAMES])
        return np.corrcoef(evaluation.layer[films], evaluation.target.brain[films])[0, 1], np.nan

    def test_draws_are_figures_of_the_images_that_all_measures_draw(self):
        """Of films: by the name of each."""
        score, evaluation = self.score(seed=4), self.evaluation(seed=4)
        names = [str(k) for k in range(N_FILMS)]
        counts = np.repeat(image_counts(names, seed=4)[:5], N_FRAMES, axis=1)
        moved = score.draws[:5] - evaluation.figure(counts).value("raw")
        np.testing.assert_allclose(moved, moved[0], atol=1e-9)

    def test_groups_are_held_out_drawn_and_exchanged_whole(self):
        """Pairs of films that the run keeps together, whose frames keep their order."""
        pairs = np.repeat(np.arange(N_FILMS) // 2, N_FRAMES)
        evaluation = self.evaluation(films=pairs, groups="film", null="images")
        (image_set,) = evaluation.material.image_sets
        by_pair = np.split(image_set.groups, N_FILMS // 2)
        assert len({*image_set.groups}) == len(by_pair)
        assert all(len({*one}) == 1 for one in by_pair)
        drawn = drawn_images(evaluation, n_draws=5, seed=0).reshape(5, N_FILMS // 2, -1)
        np.testing.assert_array_equal(drawn, drawn[:, :, :1].repeat(2 * N_FRAMES, axis=2))
        orders = shuffles(len(image_set.ids), groups=image_set.groups, n_draws=9)
        taken = orders[:, :: 2 * N_FRAMES] // (2 * N_FRAMES)  # the pair in place of each
        assert all(sorted(one) == list(range(N_FILMS // 2)) for one in taken)
        slow = [
            np.corrcoef(evaluation.layer.reshape(-1, 2)[one].ravel(), evaluation.target.brain)[0, 1]
            for one in taken
        ]
        np.testing.assert_allclose(evaluation.shuffled([orders]).value("raw"), slow, atol=1e-9)

    def test_groups_within_films_leave_films_whole(self):
        halves = np.arange(N_FILMS * N_FRAMES) % N_FRAMES // 3 + 2 * np.repeat(
            np.arange(N_FILMS), N_FRAMES
        )
        evaluation = self.evaluation(films=halves, groups="film", null="images")
        (image_set,) = evaluation.material.image_sets
        assert len({*image_set.groups}) == N_FILMS
        assert self.evaluation().material.image_sets[0].groups.tolist() == image_set.groups.tolist()
