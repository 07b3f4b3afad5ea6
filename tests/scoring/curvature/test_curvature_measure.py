"""Curvature as a measure: a brain of known trajectories, draws of films, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from known import Known, context_of

from brainbench.core import assembly, stimuli
from brainbench.core.benchmark import Benchmark
from brainbench.core.errors import InputError, NotApplicableError
from brainbench.core.settings import Settings
from brainbench.data.arrays import ArrayData
from brainbench.metrics.curvature.curvature import curvature
from brainbench.scoring.curvature.evaluation import CurvatureEvaluation
from brainbench.scoring.curvature.measure import Curvature
from brainbench.scoring.pipeline import score_context
from brainbench.stats.permutation import shuffles

FILMS, FRAMES, UNITS, TRIALS = 8, 7, 60, 40
ANGLES = np.linspace(25, 110, FILMS)


def trajectory(angle, seed):
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.standard_normal((UNITS, FRAMES)))[0].T
    steps = [directions[0]]
    for k in range(1, FRAMES - 1):
        across = directions[k] - (directions[k] @ steps[-1]) * steps[-1]
        turn = np.radians(angle)
        steps.append(np.cos(turn) * steps[-1] + np.sin(turn) * across / np.linalg.norm(across))
    return np.vstack([np.zeros(UNITS), np.cumsum(steps, axis=0)])


MEANS = np.concatenate([4 + 4 * trajectory(angle, k) for k, angle in enumerate(ANGLES)])
IDS = [f"film{film}-frame{frame}" for film in range(FILMS) for frame in range(FRAMES)]
# Straight lines of pixels, shown in an order that is not that of the frames.
ORDER = np.random.default_rng(0).permutation(len(IDS))


def data(*, trials=None, **columns):
    rng = np.random.default_rng(1)
    ids = [IDS[k] for k in ORDER]
    frames = np.tile(np.arange(FRAMES), FILMS)
    pictures = rng.integers(0, 100, (FILMS, 6, 6, 3))[np.repeat(np.arange(FILMS), FRAMES)]
    pictures = (pictures + 3 * frames[:, None, None, None]).astype(np.uint8)
    metadata = {
        "film": np.repeat([f"film{k}" for k in range(FILMS)], FRAMES)[ORDER],
        "frame": frames[ORDER],
        "category": np.repeat("natural", len(IDS)),
    }
    for name, values in columns.items():
        metadata[name] = np.asarray(values)[ORDER]
    shown = stimuli.from_arrays("Films", pictures[ORDER], ids=ids, metadata=metadata)
    counts = rng.poisson(np.square(MEANS), (TRIALS, *MEANS.shape)).astype(float)
    recorded = assembly.make(
        (counts if trials is None else trials)[:, ORDER],
        stimulus={"stimulus_id": ids},
        neuroid={"neuroid_id": [f"site{k}" for k in range(UNITS)]},
        repetitions=True,
        units="spikes",
    )
    return ArrayData(name="Films", pictures=shown, regions={"V1": recorded})


def case(given=None, *, layer=MEANS, measure=None, areas=("layer",)):
    benchmark = Benchmark(
        identifier="Films.V1-curvature",
        version=1,
        data=given or data(),
        region="V1",
        window=(0, 100),
        measure=measure or Curvature(),
        metric="",
        ceiling="",
        citation="",
    )
    responses = {name: np.asarray(layer)[:, :, None] for name in areas}
    return benchmark, Known(responses=responses, ids=IDS, areas={"V1": list(areas)})


def evaluation(**chosen) -> CurvatureEvaluation:
    context = context_of(*case(**chosen))
    measure = context.benchmark.measure
    target = measure.target(context)
    return measure.evaluate(context, target, measure.candidates(context, target))


def test_the_brain_itself_is_found_and_its_angles_too():
    scored = score_context(context_of(*case()))
    assert scored.value > 0.98
    assert scored.ceiling is None
    np.testing.assert_allclose(scored.per_unit.values, ANGLES, atol=1e-3)
    np.testing.assert_allclose(scored.per_unit["brain"], ANGLES, atol=10)
    np.testing.assert_allclose(scored.per_unit["pixels"], 0, atol=1e-2)
    figures = scored.figures
    assert figures["films"] == figures["films_compared"] == FILMS
    assert figures["layer_change"] == pytest.approx(ANGLES.mean(), abs=1e-2)
    assert figures["brain_change"] == pytest.approx(ANGLES.mean(), abs=3)
    assert figures["trial_means_biased"] > ANGLES.mean() + 3
    assert scored.n_units == UNITS


def test_a_layer_that_bends_the_other_way():
    mirrored = np.concatenate([trajectory(angle, k) for k, angle in enumerate(ANGLES[::-1])])
    assert score_context(context_of(*case(layer=mirrored))).value < -0.98


def test_a_layer_that_bends_all_films_alike_has_no_value():
    alike = np.concatenate([trajectory(60, k) for k in range(FILMS)])
    scored = score_context(context_of(*case(layer=alike)))
    assert scored.value is None
    assert "or all films bend alike" in scored.reason
    still = np.repeat(trajectory(60, 0)[:1], len(IDS), axis=0)
    still[::FRAMES] += np.arange(FILMS)[:, None]
    scored = score_context(context_of(*case(layer=still)))
    assert scored.value is None
    assert f"{FILMS} of {FILMS} films have successive frames" in scored.reason


def test_draws_take_films_as_wholes():
    found = evaluation(layer=MEANS + np.random.default_rng(5).normal(0, 1.0, MEANS.shape))
    (images,) = found.material.image_sets
    names = np.unique(images.groups)
    assert len(names) == FILMS
    times = np.array([0, 2, 1, 1, 3, 0, 1, 1])
    counts = times[np.searchsorted(names, images.groups)][None].astype(float)
    rows = np.repeat(np.arange(FILMS), times)
    slow = np.corrcoef(found.layer[rows], found.target.brain[rows])[0, 1]
    assert found.figure(counts).value("raw")[0] == pytest.approx(slow, abs=1e-9)
    two = np.isin(images.groups, names[:2]).astype(float)[None]
    assert np.isnan(found.figure(two).value("raw")[0])  # of two films r is 1 or -1


def test_the_interval_is_over_films_and_the_null_exchanges_them():
    noisy = MEANS + np.random.default_rng(5).normal(0, 1.0, MEANS.shape)
    scored = score_context(context_of(*case(layer=noisy), null="images", null_draws=60))
    assert scored.ci_method.startswith(f"jackknife of {FILMS} groups of images")
    assert scored.ci[0] < scored.value < scored.ci[1]
    assert scored.ci_approximate
    assert abs(scored.null["mean"]) < 0.2
    assert scored.value > scored.null["mean"] + 2 * scored.null["sd"]


def test_coverage_was_measured_of_twenty_films():
    context = context_of(*case())
    measure = context.benchmark.measure
    target = measure.target(context)
    made = measure.evaluate(context, target, measure.candidates(context, target))
    assert not measure.has_measured_coverage(context, made)
    twenty = replace(target.films, names=tuple(f"film{k}" for k in range(20)))
    more = replace(made, target=replace(target, films=twenty))
    assert measure.has_measured_coverage(context, more)


def test_the_null_exchanges_groups_of_films_whole_and_in_order():
    """Four groups of two films; frames that lose their order would bend by about 120 degrees."""
    found = evaluation(given=data(group=np.repeat(np.arange(4), 2 * FRAMES)))
    (images,) = found.material.image_sets
    orders = shuffles(len(images.ids), groups=images.groups, n_draws=12)
    taken = orders[:, :: 2 * FRAMES] // (2 * FRAMES)
    assert len(np.unique(taken, axis=0)) > 3
    pairs = found.layer.reshape(4, 2)
    slow = [np.corrcoef(pairs[one].ravel(), found.target.brain)[0, 1] for one in taken]
    np.testing.assert_allclose(found.shuffled([orders]).value("raw"), slow, atol=1e-9)


def test_groups_of_as_many_frames_in_other_films_are_not_exchanged():
    lengths = [7, 7, 14, 14, 14]
    film = np.repeat([f"film{k}" for k in range(5)], lengths)
    given = data(
        film=film,
        frame=np.concatenate([np.arange(n) for n in lengths]),
        group=np.repeat(np.arange(4), 2 * FRAMES),
    )
    assert "of 2 and 1 films" in refused(given=given, null="images")
    assert score_context(context_of(*case(given))).null is None


def test_a_copy_of_a_picture_joins_films_and_leaves_others_whole():
    plain = data()
    shown = plain.pictures
    first = {one: shown.ids.index(f"film{one}-frame0") for one in (0, 3)}
    pixels = np.stack([shown.picture(row) for row in range(len(shown))])
    pixels[first[3]] = pixels[first[0]]
    copied = stimuli.from_arrays(
        "Films",
        pixels,
        ids=list(shown.ids),
        metadata={name: shown.metadata[name] for name in ("film", "frame", "category")},
    )
    found = evaluation(given=replace(plain, pictures=copied))
    (images,) = found.material.image_sets
    film = np.array([one.split("-")[0] for one in images.ids])
    groups = {name: set(images.groups[film == name]) for name in np.unique(film)}
    assert all(len(names) == 1 for names in groups.values())
    assert groups["film0"] == groups["film3"]
    assert len(set(images.groups)) == FILMS - 1


def test_other_kinds_of_films_are_beside():
    category = np.repeat(["natural"] * 6 + ["drawn"] * 2, FRAMES)
    figures = score_context(context_of(*case(data(category=category)))).figures
    assert figures["films"] == 6
    assert figures["other_films"]["drawn"]["layer"] == pytest.approx(ANGLES[6:].mean(), abs=1e-3)
    assert figures["published"] == {}


def test_published_estimates_are_quoted():
    class Estimated(ArrayData):
        def curvature_estimates(self):
            import pandas as pd

            rows = [("film0", "natural", 90.0, -10.0), ("film1", "natural", 80.0, -20.0)]
            rows += [("film99", "natural", 0.0, 0.0)]  # of a film that is not here
            return pd.DataFrame(rows, columns=["film", "category", "pixels", "change"])

    plain = data()
    quoted = Estimated(name="Films", pictures=plain.pictures, regions=plain.regions)
    figures = score_context(context_of(*case(quoted))).figures
    assert figures["published"] == {
        "natural": {"pixels": 85.0, "change": -15.0, "estimates": 2},
    }


def refused(error=InputError, **chosen):
    given = {
        key: chosen.pop(key) for key in ("given", "layer", "measure", "areas") if key in chosen
    }
    with pytest.raises(error) as caught:
        score_context(context_of(*case(**given), **chosen))
    return str(caught.value)


def test_what_is_refused():
    assert "formula 'r/c'" in refused(NotApplicableError, formula="r/c")
    assert "brainscore" in refused(NotApplicableError, protocol="brainscore")
    assert "without the columns reel" in refused(measure=Curvature(film=("reel",)))
    assert "with 0 films of kind 'drawn'" in refused(measure=Curvature(compared="drawn"))
    assert "has a frame twice" in refused(given=data(frame=np.zeros(len(IDS), int)))
    assert "8 images with 1 films of kind 'natural'" in refused(limit=8)
    assert "at least 4 films, at least 24 images" in refused(limit=2)
    assert "2 layers for V1: one, two" in refused(areas=("one", "two"))


def test_a_brain_without_trials_or_of_noise():
    plain = data()
    mean = plain.regions["V1"].mean("repetition")
    mean.attrs = {**plain.regions["V1"].attrs}
    without = replace(plain, regions={"V1": mean})
    assert "single trials" in refused(given=without)
    noise = np.random.default_rng(0).poisson(9.0, (6, *MEANS.shape)).astype(float)
    assert f"of {FILMS} films have a curvature in the brain" in refused(given=data(trials=noise))


def test_options_are_part_of_the_key():
    assert Curvature().config() != Curvature(n_halvings=7).config()
    assert Settings().protocol == "paper"
    assert list(Curvature().rules) == ["paper"]


def test_curvature_of_the_layer_is_that_of_its_responses():
    found = evaluation()
    for k, angle in enumerate(found.layer):
        assert angle == pytest.approx(curvature(MEANS[k * FRAMES : (k + 1) * FRAMES]), abs=1e-6)
