"""The loop: phases, early stopping, resumption, losses that are not finite."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
import trainings
from trainings import SHORT, Line, assert_same, state

from brainbench.core.errors import DamagedFileError, InputError, UnknownNameError
from brainbench.training import checkpoints
from brainbench.training.batches import Batches
from brainbench.training.loop import DivergedError, Training, train
from brainbench.training.schedule import SCHEDULES, schedule_named


class Scripted(Line):
    """A task whose validation figures are given; each figure marks the weights that it belongs to."""

    def __init__(self, figures):
        super().__init__()
        self.figures, self.rates, self.seen = list(figures), [], []

    def watch(self, training):
        self.training = training

    def loss(self, rows):
        self.rates.append(self.training.optimizer.param_groups[0]["lr"])
        return super().loss(rows)

    def validation(self):
        self.seen.append(self.module[0].weight.detach().clone())
        return self.figures.pop(0)


def run_scripted(figures, schedule):
    task = Scripted(figures)
    training = Training(task, schedule, seed=0)
    task.watch(training)
    phases = []
    while not training.progress.finished:
        for _ in range(schedule.check_every):
            training.step()
        training.check()
        if training.phase_is_over:
            phases.append(training.progress.step)
            training.next_phase()
    return task, training, phases


def test_the_published_schedule_by_hand():
    """Patience 2 in place of 10: phases end after two checks without a new best of all phases."""
    schedule = replace(SCHEDULES["published"], check_every=1, patience=2, batch=4)
    #          phase 1: best at step 2    phase 2: best at step 1  phase 3: no better
    figures = [5.0, 4.0, 4.5, 4.2, 3.0, 3.5, 3.1, 3.3, 3.2]

    task, training, phases = run_scripted(figures, schedule)

    assert phases == [4, 3, 2]
    assert task.figures == []
    lr = schedule.learning_rate
    assert task.rates == pytest.approx([lr] * 4 + [lr / 3] * 3 + [lr / 9] * 2)
    assert (training.progress.best.phase, training.progress.best.step) == (2, 1)
    assert torch.equal(task.module[0].weight, task.seen[4])


def test_a_phase_without_a_new_best_leaves_the_learning_rate_to_the_state_of_the_best():
    schedule = replace(SHORT, check_every=1, patience=1, learning_rate=0.9)

    task, _, _ = run_scripted([1.0, 2.0, 2.0, 2.0], schedule)

    # The best state is of phase 1, so that phase 3 begins at a third of its rate again.
    assert task.rates == pytest.approx([0.9, 0.9, 0.3, 0.3])


def test_named_schedules_are_as_published_and_as_documented():
    published, quick = SCHEDULES["published"], SCHEDULES["quick"]

    assert (published.phases, published.batch, published.check_every, published.patience) == (
        3,
        256,
        50,
        10,
    )
    assert (published.learning_rate, published.divisor, published.phase_steps) == (1e-3, 3, 40_000)
    assert (quick.batch, quick.check_every, quick.patience, quick.steps) == (64, 25, 4, 1500)
    with pytest.raises(UnknownNameError, match="quick"):
        schedule_named("quik")
    with pytest.raises(InputError, match="patience=0"):
        replace(quick, patience=0)


def test_steps_in_all_end_the_fit():
    trained = train(Line(), replace(SHORT, steps=13, patience=99), seed=0)

    assert trained.steps == 13
    assert [(c.phase, c.step) for c in trained.history] == [(1, 5), (1, 10), (1, 13)]


def test_a_fit_gets_better_and_keeps_its_best():
    task = Line()
    before = task.validation()

    trained = train(task, replace(SHORT, patience=10, phase_steps=300), seed=0)

    assert trained.best.figure == min(c.figure for c in trained.history)
    assert trained.best.figure < 0.2 * before
    assert task.validation() == pytest.approx(trained.best.figure)


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    tasks = [Line(), Line(), Line()]
    for task, seed in zip(tasks, (1, 1, 2), strict=True):
        train(task, SHORT, seed=seed)

    assert_same(state(tasks[0]), state(tasks[1]))
    assert not torch.equal(tasks[0].module[0].weight, tasks[2].module[0].weight)


def test_the_random_state_of_the_user_stays():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)

    train(Line(), SHORT, seed=0)

    assert torch.equal(torch.rand(1), expected)


def test_batches_take_each_row_once_a_pass():
    batches = Batches(10, 4, seed=0)

    seen = torch.cat([batches.next() for _ in range(5)])

    assert sorted(seen[:10].tolist()) == sorted(seen[10:].tolist()) == list(range(10))
    assert Batches(3, 256, seed=0).next().sort().values.tolist() == [0, 1, 2]


@pytest.mark.parametrize("stop_after", [3, 5, 12, 31])
def test_a_fit_that_was_stopped_anywhere_ends_with_the_same_weights(tmp_path, stop_after):
    whole = Line()
    expected = train(whole, SHORT, seed=0)

    class Stopped(Line):
        def loss(self, rows):
            if self.losses == stop_after:
                raise KeyboardInterrupt
            return super().loss(rows)

    with pytest.raises(KeyboardInterrupt):
        train(Stopped(), SHORT, seed=0, checkpoint=tmp_path / "fit.checkpoint")
    resumed = Line()
    trained = train(resumed, SHORT, seed=0, checkpoint=tmp_path / "fit.checkpoint")

    assert trained == expected
    assert_same(state(resumed), state(whole))
    assert resumed.losses <= expected.steps - stop_after + SHORT.check_every


def test_a_finished_fit_is_not_fitted_again(tmp_path):
    train(Line(), SHORT, seed=0, checkpoint=tmp_path / "fit.checkpoint")
    task = Line()

    train(task, SHORT, seed=0, checkpoint=tmp_path / "fit.checkpoint")

    assert task.losses == 0


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, {here!r})
from trainings import Line, SHORT
from brainbench.training.loop import train
class Slow(Line):
    def loss(self, rows):
        time.sleep(0.05)
        return super().loss(rows)
train(Slow(), SHORT, seed=0, checkpoint=Path({path!r}))
"""


@pytest.mark.slow
def test_a_killed_process_is_resumed_with_the_same_weights(tmp_path):
    path = tmp_path / "fit.checkpoint"
    code = KILLED.format(here=str(Path(trainings.__file__).parent), path=str(path))
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ})
    deadline = time.monotonic() + 120
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    whole, resumed = Line(), Line()

    expected = train(whole, SHORT, seed=0)
    trained = train(resumed, SHORT, seed=0, checkpoint=path)

    assert resumed.losses < whole.losses
    assert trained == expected
    assert_same(state(resumed), state(whole))


def test_a_checkpoint_is_safetensors_and_json(tmp_path):
    path = tmp_path / "fit.checkpoint"
    train(Line(), SHORT, seed=0, checkpoint=path, identity={"what": "a line"})

    tensors = safetensors.torch.load_file(path)
    with safetensors.safe_open(path, framework="pt") as stream:
        header = stream.metadata()

    assert {key.partition("/")[0] for key in tensors} == {
        "module",
        "best",
        "optimizer",
        "best_optimizer",
        "batches",
        "random",
    }
    assert json.loads(header["identity"])["what"] == "a line"
    assert json.loads(header["progress"])["finished"] is True


@pytest.mark.parametrize(
    ("schedule", "seed", "identity", "named"),
    [
        (replace(SHORT, batch=3), 0, {"channels": 8}, ("schedule", "'batch': 4", "'batch': 3")),
        (SHORT, 1, {"channels": 8}, ("seed 0, now 1",)),
        (SHORT, 0, {"channels": 16}, ("channels 8, now 16",)),
    ],
)
def test_a_checkpoint_of_another_configuration_is_refused(
    tmp_path, schedule, seed, identity, named
):
    path = tmp_path / "fit.checkpoint"
    train(Line(), SHORT, seed=0, checkpoint=path, identity={"channels": 8})
    before = path.read_bytes()

    with pytest.raises(InputError, match="another configuration") as caught:
        train(Line(), schedule, seed=seed, checkpoint=path, identity=identity)

    assert all(text in str(caught.value) for text in named)
    assert path.read_bytes() == before


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    path = tmp_path / "fit.checkpoint"
    train(Line(), SHORT, seed=0, checkpoint=path)
    path.write_bytes(path.read_bytes()[:-100] if damage is None else damage)

    with pytest.raises(DamagedFileError, match=r"fit\.checkpoint"):
        train(Line(), SHORT, seed=0, checkpoint=path)


def test_safetensors_that_are_no_checkpoint_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({"a": torch.ones(2)}, path)

    with pytest.raises(DamagedFileError, match="format"):
        checkpoints.read(path, {})


class Breaking(Line):
    """A task whose loss is NaN from one step on."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def loss(self, rows):
        loss = super().loss(rows)
        return loss * float("nan") if self.losses == self.at else loss


def test_a_loss_that_is_nan_names_phase_and_step_and_keeps_the_last_good_weights(tmp_path):
    path = tmp_path / "fit.checkpoint"
    healthy = Line()
    train(healthy, replace(SHORT, steps=10, patience=99), seed=0)
    task = Breaking(at=13)

    with pytest.raises(DivergedError, match="phase 1, step 13") as caught:
        train(task, SHORT, seed=0, checkpoint=path)

    assert "phase 1, step 10" in str(caught.value)
    assert_same(state(task), state(healthy))
    kept = checkpoints.under("best", safetensors.torch.load_file(path))
    assert_same(kept, state(healthy))


def test_a_loss_that_is_nan_at_once_keeps_the_initial_weights():
    task = Breaking(at=1)
    before = state(task)

    with pytest.raises(DivergedError, match="the initial ones"):
        train(task, SHORT, seed=0)

    assert_same(state(task), before)


def test_a_validation_that_is_not_finite_is_named():
    class Blind(Line):
        def validation(self):
            return float("inf")

    with pytest.raises(DivergedError, match="a validation of inf in phase 1, step 5"):
        train(Blind(), SHORT, seed=0)
