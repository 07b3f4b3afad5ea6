"""Models as points: benchmarks, facts, times, and the published correlations."""

import csv
from dataclasses import replace

import drawn
import numpy as np
import pytest
import stored

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.plot import scatter, style

MODELS = ["cornet_s@imagenet", "pixels", "gabor@untrained-0", "timm:resnet18"]
V4, IT = "Simulated.V4-pls", "Simulated.IT-pls"


def two_benchmarks():
    return [
        *stored.together(MODELS, V4, [0.1, 0.2, 0.3, 0.5]),
        *stored.together(MODELS[:3], IT, [0.2, 0.4, 0.9]),
    ]


def points(axes):
    return [tuple(line.get_xydata()[0]) for line in axes.lines if line.get_marker() == "o"]


def test_models_with_both_scores_and_their_correlation():
    axes = scatter(two_benchmarks(), x=V4, y=IT)
    assert points(axes) == [(0.1, 0.2), (0.2, 0.4), (0.3, 0.9)]
    r = np.corrcoef([0.1, 0.2, 0.3], [0.2, 0.4, 0.9])[0, 1]
    assert axes.get_title(loc="left") == f"r = {r:.2f}, 3 of 4 models".replace("0.", ".")
    assert {"CORnet-S", "Pixels", "Gabor (untrained)"} <= set(drawn.words(axes))
    assert "ResNet-18" not in drawn.words(axes)


def test_scores_on_some_of_the_images_are_marked():
    scores = stored.together(MODELS[:1], V4, [0.1]) + stored.together(MODELS[:1], IT, [0.2])
    axes = scatter([replace(score, partial=True) for score in scores], x=V4, y=IT)
    assert {"CORnet-S *", "* some of the images only"} <= set(drawn.words(axes))


def test_parameters_are_in_millions_on_a_logarithmic_axis():
    facts = {
        model: {"parameters": n * 1e6} for model, n in zip(MODELS, (50, 0, 5, 12), strict=True)
    }
    axes = scatter(two_benchmarks(), x="parameters", y=V4, facts=facts)
    assert [x for x, _ in points(axes)] == [50.0, 5.0, 12.0]  # one without any has no place
    assert axes.get_xscale() == "log"
    r = np.corrcoef(np.log([50, 5, 12]), [0.1, 0.3, 0.5])[0, 1]
    assert f"{r:.2f}".replace("0.", ".") in axes.get_title(loc="left")


def test_time_is_that_of_the_score_with_its_forward_passes():
    score = stored.make("pixels", IT, 0.3)
    axes = scatter([score.recording(seconds=3.0, forward_seconds=4.0)], x="seconds", y=IT)
    assert points(axes) == [(7.0, 0.3)]
    assert axes.get_title(loc="left") == "1 model"


def test_an_axis_that_is_not_known():
    with pytest.raises(UnknownNameError, match="depht") as caught:
        scatter(two_benchmarks(), x="depht", y=IT, facts={"pixels": {"depth": 3}})
    assert "depth" in caught.value.allowed


def test_no_model_with_both():
    with pytest.raises(InputError, match=r"depth \(1 models\)"):
        scatter(two_benchmarks(), x="depth", y=IT, facts={"other": {"depth": 3}})


@pytest.mark.parametrize("more", [{"digest": "other"}, {"formula": "r2/c-v1"}])
def test_several_scores_of_a_model_on_one_axis(more):
    twice = [*two_benchmarks(), stored.make("pixels", IT, 0.4, **more)]
    with pytest.raises(InputError, match="pixels"):
        scatter(twice, x=V4, y=IT)


@pytest.mark.parametrize(
    ("x", "y", "r", "n"),
    [
        ("IT", "IT (new data)", ".87", 44),
        ("IT", "IT (new images)", ".57", 44),
        ("Behavior", "Behavior (new data)", ".85", 44),
        ("Brain-Score", "CIFAR-100", ".64", 35),
    ],
)
def test_published_correlations(shared, x, y, r, n):
    with shared("oracle/published/neurips2019_scores.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["Model"] != "CORnet-S"]
    facts = {
        str(k): {name: float(row[name]) for name in (x, y) if row[name]}
        for k, row in enumerate(rows)
    }
    axes = scatter([], x=x, y=y, facts=facts)
    assert axes.get_title(loc="left") == f"r = {r}, {n} models"


PUBLISHED = {f"net{k}": {"top1": k / 30, "brain_score": k / 60} for k in range(20)}


def test_published_models_are_told_from_measured_ones():
    scores = [stored.make(f"own{k}@imagenet", "Study.IT-pls", 0.1 * k) for k in range(4)]
    facts = PUBLISHED | {f"own{k}@imagenet": {"top1": 0.5 - k / 10} for k in range(4)}
    facts = {name: {**row, "fact": row["top1"]} for name, row in facts.items()}
    axes = scatter(scores, x="top1", y="fact", facts=facts, published=PUBLISHED)
    colors = [line.get_markerfacecolor() for line in axes.lines]
    assert colors.count(style.CEILING) == 20
    assert colors.count(style.COLORS[0]) == 4
    assert (
        axes.get_title(loc="left") == "published: r = 1.00, 20 models; measured: r = 1.00, 4 models"
    )
    assert {"published, not measured here", "measured here"} <= set(drawn.words(axes))
    axes = scatter([], x="top1", y="brain_score", facts=PUBLISHED, published=PUBLISHED)
    assert axes.get_title(loc="left") == "r = 1.00, 20 models"
    assert "measured here" not in drawn.words(axes)


def test_of_many_models_those_are_named_that_were_asked_for():
    options = {"x": "top1", "y": "brain_score", "facts": PUBLISHED}
    assert not scatter([], **options).texts
    axes = scatter([], named=["net3", "net1?"], **options)
    assert [text.get_text() for text in axes.texts] == ["net3", *(f"net{k}" for k in range(10, 20))]
    with pytest.raises(UnknownNameError, match="nobody"):
        scatter([], named=["nobody"], **options)
