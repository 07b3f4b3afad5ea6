"""Several processes that score the same: each score is computed once."""

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from brainbench_fake import SCORED, declare
from runs import planned, scores, spec_of

from brainbench.storage.results import Results

V1, IT = declare("Fake.V1-pls", region="V1"), declare("Fake.IT-pls")


@pytest.fixture(autouse=True)
def _forget():
    SCORED.clear()


def claim_of(folder, benchmark):
    [item] = planned(benchmark, results=folder, overwrite="always").items
    return Results(folder).claims.claim(item.task.place.key)


def test_what_another_process_computes_is_left_to_it_and_the_others_come_first(tmp_path):
    claim = claim_of(tmp_path, V1)
    [other] = scores([spec_of()], [V1])
    running = scores([spec_of(), spec_of(name="b")], [V1, IT], results=tmp_path)

    def finish():
        while len(Results(tmp_path).files()) < 3:
            time.sleep(0.01)
        [item] = planned(V1, results=tmp_path).items
        Results(tmp_path).save(replace(other, value=0.25), key=item.task.place.key)
        claim.release()

    SCORED.clear()
    thread = threading.Thread(target=finish)
    thread.start()
    made = list(running)
    thread.join()
    assert [(one.model, one.benchmark) for one in made] == [
        (model, name) for model in ("fake", "b") for name in ("Fake.V1-pls", "Fake.IT-pls")
    ]
    assert made[0].value == 0.25  # that of the other process
    assert SCORED == [("fake", "Fake.IT-pls"), ("b", "Fake.V1-pls"), ("b", "Fake.IT-pls")]


@pytest.mark.parametrize("overwrite", ["only-missing", "always"])
def test_what_another_process_did_not_finish_is_computed(tmp_path, overwrite):
    if overwrite == "always":
        list(scores([spec_of()], [V1], results=tmp_path))
    claim = claim_of(tmp_path, V1)
    SCORED.clear()
    running = scores([spec_of()], [V1, IT], results=tmp_path, overwrite=overwrite)
    threading.Timer(0.2, claim.release).start()
    assert [one.value is None for one in running] == [False, False]
    assert SCORED == [("fake", "Fake.IT-pls"), ("fake", "Fake.V1-pls")]


@pytest.mark.parametrize("overwrite", ["only-missing", "always"])
def test_what_was_stored_since_the_plan_is_not_computed_again(tmp_path, overwrite):
    benchmarks = [V1, IT]
    list(scores([spec_of()], benchmarks, results=tmp_path) if overwrite == "always" else [])
    running = scores([spec_of()], benchmarks, results=tmp_path, overwrite=overwrite)
    next(running)
    [other] = scores([spec_of()], [IT], results=tmp_path, overwrite=overwrite)
    SCORED.clear()
    [last] = running
    assert SCORED == []
    assert last.record == other.record


def test_a_claim_that_cannot_be_made_loses_no_score(tmp_path, caplog):
    (tmp_path / "claims").write_text("in the way")
    [score] = scores([spec_of()], [IT], results=tmp_path)
    assert Path(score.file).is_file()
    assert "Fake.IT-pls" in caplog.text


def test_no_claim_is_left_behind(tmp_path):
    list(scores([spec_of()], [V1, declare("Fake.x", "fails")], results=tmp_path))
    assert list((tmp_path / "claims").iterdir()) == []


def answers(running):
    """Let all processes go on, and return what each prints."""
    for process in running:
        process.stdin.write("\n")
        process.stdin.flush()
    return [process.communicate(timeout=300)[0] for process in running]


@pytest.mark.slow
def test_equal_runs_in_two_processes_compute_each_score_once(tmp_path, environment):
    program = (
        "import json, brainbench, brainbench.api, brainbench_fake; "
        "print('ready', flush=True); input(); "
        "scores = brainbench.score('fake*', 'Fake.V1-pls,Fake.IT-pls', results='kept'); "
        "print(json.dumps([brainbench_fake.SCORED, [one.value for one in scores]]))"
    )
    slow = {"FAKE_Fake_V1-pls": "sleeps 0.2", "FAKE_Fake_IT-pls": "sleeps 0.2"}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={**environment, **slow},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    first, second = [json.loads(text) for text in answers(running)]
    assert first[1] == second[1]
    names = [[m, b] for m in ("fake", "fake_second") for b in ("Fake.IT-pls", "Fake.V1-pls")]
    assert sorted(first[0] + second[0]) == names
