"""Choice of the epoch by brain score: what is kept, what is recorded, what is refused afterwards."""

import json
import shutil
from dataclasses import replace

import pandas as pd
import pytest
import torch
from labeled_images import write_arrays
from safetensors.torch import load_file, save_file
from trainings import SHORT, Line, assert_same, plain_model, state

import brainbench
from brainbench import load_model
from brainbench.core.errors import (
    DamagedFileError,
    DataAbsentError,
    InputError,
    NotApplicableError,
    UnknownNameError,
)
from brainbench.core.model import ChosenBy
from brainbench.models.weight_headers import chosen_by_of
from brainbench.plot.training_curves import training_curve
from brainbench.training.image_data import open_image_data
from brainbench.training.loop import DivergedError, Monitored, Training, train
from brainbench.training.recipes import recipe_named
from brainbench.training.train import Job, train_network

RECIPE = recipe_named("cifar", {"epochs": 4, "batch": 20, "drops": []})


class Scripted:
    """A monitor with given figures that remembers the weights of each."""

    def __init__(self, task, figures):
        self.task, self.left, self.seen = task, list(figures), []

    def figure(self):
        self.seen.append(state(self.task))
        return Monitored(value=self.left.pop(0))


@pytest.mark.parametrize(
    ("figures", "kept"),
    [
        ([0.1, 0.4, 0.2, 0.4, 0.3, 0.0, 0.1, 0.2], 1),  # of equal ones the first
        ([None, -0.2, None, -0.1, None, -0.3, -0.4, -0.5], 3),  # one without is below all others
        ([0.3, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0], 0),  # nothing ends early
    ],
)
def test_the_model_of_the_largest_figure_is_kept(figures, kept):
    task = Line()
    monitor = Scripted(task, figures)
    trained = train(task, replace(SHORT, phases=1, keep="monitored"), seed=0, monitor=monitor)
    assert [check.monitored.value for check in trained.history] == figures
    assert trained.best == trained.history[kept]
    assert_same(state(task), monitor.seen[kept])


@pytest.mark.parametrize("keep", ["monitored", "last"])
def test_a_monitor_belongs_to_the_schedule_that_keeps_by_it(keep):
    task = Line()
    monitor = None if keep == "monitored" else Scripted(task, [0.0])
    with pytest.raises(InputError, match=f"keeps '{keep}', with"):
        train(task, replace(SHORT, keep=keep), seed=0, monitor=monitor)


def test_weights_that_are_not_finite_are_no_good_checkpoint(tmp_path):
    class Steep(Line):
        """A loss that is finite where its gradient is not, at the last step before the second check."""

        def loss(self, rows):
            loss = super().loss(rows)
            zero = (self.module[0].weight.sum() * 0).clamp(min=0)
            return loss + (zero.sqrt() if self.losses == 10 else 0)

    task, path = Steep(), tmp_path / "fit.checkpoint"
    with pytest.raises(DivergedError, match=r"a weight 0\.weight of nan.*5"):
        train(task, replace(SHORT, keep="last"), seed=0, checkpoint=path)
    assert all(bool(value.isfinite().all()) for value in state(task).values())
    assert all(bool(value.isfinite().all()) for value in load_file(path).values())


@pytest.fixture
def data(tmp_path):
    return open_image_data(write_arrays(tmp_path / "images.npz"))


def monitored_job(data, name="Fake.IT-pls", **options):
    small = plain_model()
    areas = {"IT": ("conv",), "V1": ("conv",)}
    options = {"recipe": RECIPE, "monitor": name, "model": replace(small, areas=areas), **options}
    return Job(name="plain", data=data, **options)


def test_the_epoch_of_the_largest_score_is_stored_with_its_record(plugin, data, tmp_path):
    job = monitored_job(data)
    done = train_network(job, folder=tmp_path / "out")

    table = pd.read_csv(done.curve)
    assert set(table["benchmark"]) == {"Fake.IT-pls"}
    assert (table["score_low"] < table["score"]).all()
    assert (table["score"] < table["score_high"]).all()
    assert table["score"].nunique() == 4
    best = table.loc[table["score"].idxmax()]
    monitored = done.record.figures["monitored"]
    assert monitored == {
        "benchmark": "Fake.IT-pls",
        "epoch": best["epoch"],
        "value": best["score"],
        "low": best["score_low"],
        "high": best["score_high"],
    }
    assert done.record.figures["top1"]["value"] == pytest.approx(best["top1"], abs=1e-12)
    assert f"its epoch, {best['epoch']:g} of 4, was chosen by the largest Fake.IT-pls" in (
        done.record.summary
    )
    # The figure is that of `brainbench.score` for the weights that are kept.
    own = job.model.network.net
    own.load_state_dict(load_file(done.path))
    assert brainbench.score(job.model, "Fake.IT-pls").value == pytest.approx(
        best["score"], abs=1e-12
    )
    again = train_network(monitored_job(data), folder=tmp_path / "out")
    assert (again.is_new, again.record) == (False, done.record)
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".csv", ".safetensors"}


def test_monitoring_changes_no_step_of_the_training(plugin, data, tmp_path):
    done = train_network(monitored_job(data), folder=tmp_path / "one")
    plain = train_network(monitored_job(data, monitor=None), folder=tmp_path / "other")
    own, other = pd.read_csv(done.curve), pd.read_csv(plain.curve)
    pd.testing.assert_frame_equal(own[list(other.columns)], other, check_exact=True)
    assert done.path.name != plain.path.name
    last = load_file(plain.path)
    kept = own["score"].idxmax()
    assert kept != 3
    assert not all(torch.equal(last[key], value) for key, value in load_file(done.path).items())


def test_a_monitored_training_that_is_stopped_ends_with_the_same_file(
    plugin, data, tmp_path, monkeypatch
):
    whole = train_network(monitored_job(data), folder=tmp_path / "whole")
    check = Training.check

    def stopping(self):
        check(self)
        if self.progress.steps == 6:  # before the checkpoint of epoch 3 is written
            raise KeyboardInterrupt

    monkeypatch.setattr(Training, "check", stopping)
    with pytest.raises(KeyboardInterrupt):
        train_network(monitored_job(data), folder=tmp_path / "stopped")
    monkeypatch.setattr(Training, "check", check)
    done = train_network(monitored_job(data), folder=tmp_path / "stopped")
    assert done.curve.read_bytes() == whole.curve.read_bytes()
    assert_same(load_file(done.path), load_file(whole.path))
    assert done.record.figures["monitored"] == whole.record.figures["monitored"]


def test_a_composite_chooses_by_the_mean_of_its_members(composites, data, tmp_path):
    done = train_network(monitored_job(data, "Recorded.mean-v1"), folder=tmp_path)
    best = done.record.figures["monitored"]
    assert best["benchmark"] == "Recorded.mean-v1"
    assert best["low"] < best["value"] < best["high"]
    assert done.record.chosen_by == (
        ChosenBy(benchmark="Recorded.mean-v1", recordings=(("Recorded", "IT"),)),
    )


@pytest.mark.parametrize(
    ("name", "error", "named"),
    [
        ("Fake.IT-plz", UnknownNameError, "Fake.IT-pls"),
        ("Fake.*", InputError, "are 5 benchmarks"),
        ("Away.IT-pls", DataAbsentError, "recordings are not in the data folder"),
        ("Elsewhere.TE-pls", NotApplicableError, "no layer of plain stands for TE"),
        ("Fake.failing-pls", InputError, "no score at any of 4 checks"),
    ],
)
def test_monitors_that_are_refused(plugin, data, tmp_path, name, error, named):
    with pytest.raises(error, match=named):
        train_network(monitored_job(data, name), folder=tmp_path / "out")


def test_a_network_is_not_scored_on_the_recordings_that_chose_its_epoch(plugin, data, tmp_path):
    job = monitored_job(data)
    done = train_network(job, folder=tmp_path)
    chosen = chosen_by_of(done.path)
    assert chosen == (ChosenBy(benchmark="Fake.IT-pls", recordings=(("Fake", "IT"),)),)
    marked = replace(job.model, chosen_by=chosen)
    refused = brainbench.score(marked, "Fake.IT-pls", errors="ignore")
    assert (refused.value, refused.status) == (None, "not_applicable")
    assert (
        "whose epoch was chosen by Fake.IT-pls, on the same recordings (Fake IT)" in refused.reason
    )
    with pytest.raises(NotApplicableError, match="another region"):
        brainbench.score(marked, "Fake.IT-pls")
    for other in ("Fake.V1-pls", "Stored.IT-pls"):  # another region, another data set
        assert brainbench.score(marked, other).value is not None
    # What is trained on from such weights keeps the mark.
    further = train_network(
        replace(job, model=replace(marked, name="further"), monitor=None), folder=tmp_path
    )
    assert further.record.chosen_by == chosen


def test_files_and_weights_of_such_a_network_are_marked(plugin, tmp_path):
    options = {"classes": 5, "image_size": 64, "shrink": 16, "areas": 3}
    images = open_image_data(write_arrays(tmp_path / "images.npz"))
    job = Job(
        model=load_model("cornet_circuit", **options),
        name="cornet_circuit",
        model_args=options,
        data=images,
        recipe=recipe_named("cifar", {"epochs": 1, "batch": 40, "drops": []}),
        monitor="Fake.IT-pls",
    )
    path = train_network(job, folder=tmp_path).path
    as_model = load_model(str(path))
    odd = tmp_path / "a#b" / "c.safetensors"
    odd.parent.mkdir()
    shutil.copy(path, odd)
    as_weights = load_model("cornet_circuit", weights=str(odd), **options)
    assert as_model.chosen_by == as_weights.chosen_by == chosen_by_of(path)
    assert "was chosen by the largest Fake.IT-pls" in as_model.notes[-1]
    placed = as_model.on(device="cpu", batch_size=4, precision="float32")
    assert placed.chosen_by == as_model.chosen_by
    for one in (as_model, as_weights):
        assert brainbench.score(one, "Fake.IT-pls", errors="ignore").status == "not_applicable"


def test_a_mark_that_cannot_be_understood_is_an_error(tmp_path):
    path = tmp_path / "weights.safetensors"
    for text in ("nonsense", json.dumps([{"benchmark": "Fake.IT-pls"}])):
        save_file({"a": torch.ones(2)}, path, metadata={"chosen_by": text})
        with pytest.raises(DamagedFileError, match="but not which"):
            chosen_by_of(path)
    save_file({"a": torch.ones(2)}, path)
    assert chosen_by_of(path) == ()


def test_the_curve_shows_score_interval_and_choice():
    table = pd.DataFrame(
        {
            "epoch": [1, 2, 3],
            "loss": [2.0, 1.0, 0.5],
            "top1": [0.2, 0.5, 0.6],
            "benchmark": "Fake.IT-pls",
            "score": [None, 0.4, 0.3],
            "score_low": [None, -0.1, 0.2],
            "score_high": [None, 1.5, 0.4],
        }
    )
    axes = training_curve(table)
    shown = [text.get_text() for text in axes.get_legend().get_texts()]
    assert shown == ["training loss", "top-1", "Fake.IT-pls", "chosen: epoch 2"]
    beside = axes.figure.axes[1]
    assert beside.get_ylim() == (-0.1, 1.5)
