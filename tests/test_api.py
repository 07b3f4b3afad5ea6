"""The Python interface: what `brainbench` exports."""

import importlib
import inspect
import pkgutil
import traceback
from dataclasses import fields, replace
from pathlib import Path

import brainbench_fake
import pandas as pd
import pytest
import torch
from brainbench_fake import ASKED, SCORED, FakeModel, declare

import brainbench
from brainbench.cli import extract, score
from brainbench.core.errors import (
    CacheError,
    DataAbsentError,
    InputError,
    NotApplicableError,
    ScoringError,
    UnknownNameError,
)
from brainbench.core.settings import (
    Beside,
    Placement,
    Settings,
    Spread,
    Variant,
    flag_of,
    options_of,
)
from brainbench.run.resolve import Job
from brainbench.storage.results import Results

pytestmark = pytest.mark.usefixtures("plugin")


def test_names_give_a_score():
    score = brainbench.score("fake", "Fake.IT-pls")
    assert isinstance(score, brainbench.Score)
    assert (score.model, score.benchmark, score.failed) == ("fake", "Fake.IT-pls", False)


@pytest.mark.parametrize(
    ("model", "benchmark", "n"),
    [
        ("fake*", "Fake.IT-pls", 2),
        ("fake", "Fake.*", 5),
        ("fake,fake_second", "Fake.IT-pls,Fake.V1-pls", 4),
        (["fake"], "Fake.IT-pls", 1),
        ("fake", ["Fake.IT-pls"], 1),
        ("fak?", "Fake.IT-pls", 1),
    ],
)
def test_wildcards_and_sequences_give_a_set(model, benchmark, n):
    scores = brainbench.score(model, benchmark, errors="ignore")
    assert isinstance(scores, brainbench.ScoreSet)
    assert len(scores) == n
    assert len(scores.to_frame()) == n


def test_all_benchmarks_come_in_order():
    scores = brainbench.score("fake", "Fake.IT-pls,Away.*,Fake.V1-pls", errors="ignore")
    assert [one.benchmark for one in scores] == ["Fake.IT-pls", "Away.IT-pls", "Fake.V1-pls"]
    assert [one.status for one in scores] == ["scored", "data_absent", "scored"]


def test_a_set_goes_to_pandas(tmp_path):
    brainbench.score("fake*", "Fake.*", errors="ignore").to_csv(tmp_path / "scores.csv")
    read = pd.read_csv(tmp_path / "scores.csv")
    assert len(read) == 10
    assert read["value"].notna().sum() == 4
    assert read["reason"].notna().sum() == 6


def test_a_model_and_a_benchmark_that_are_made_already():
    score = brainbench.score(FakeModel(name="mine"), declare("Mine.IT-pls"))
    assert (score.model, score.benchmark) == ("mine", "Mine.IT-pls")


def test_the_same_name_twice_is_scored_once():
    scores = brainbench.score(["fake", "fake*", "fake"], "Fake.IT-pls,Fake.I*")
    assert [one.model for one in scores] == ["fake", "fake_second"]


def test_two_made_models_of_one_name_are_both_scored():
    models = [FakeModel(digest="a"), FakeModel(digest="b"), "fake"]
    assert len(brainbench.score(models, "Fake.IT-pls")) == 3


def test_options_reach_model_and_settings():
    plain, other = (
        brainbench.score("fake", "Fake.IT-pls", seed=seed, model_args={"size": 5}, limit=4)
        for seed in (0, 2)
    )
    assert other.value == pytest.approx(plain.value + 2)
    assert plain.partial
    assert plain.n_stimuli == 4
    assert "5 None" in plain.record.hashes["model"]


def test_device_and_batch_size_reach_a_model_that_is_made_already():
    seen = []

    class Placed(FakeModel):
        def on(self, *, device, batch_size, precision):
            seen.append((device, batch_size, precision))
            return self

    brainbench.score(Placed(), "Fake.IT-pls")
    assert seen == []  # where it is
    brainbench.score(Placed(), "Fake.IT-pls", device="cpu", batch_size=3)
    assert seen == [("cpu", 3, "float32")]


def test_a_layer_is_chosen_for_a_region():
    score = brainbench.score("fake", "Fake.IT-pls", layers={"IT": "V4.output"})
    assert score.selection.layer == "V4.output"


def test_an_unknown_layer_is_a_failure_that_names_the_closest():
    score = brainbench.score("fake", "Fake.IT-pls", layers={"IT": "IT.outputs"}, errors="ignore")
    assert score.failed
    assert "'IT.outputs'" in score.reason
    assert " IT.output," in score.reason


@pytest.mark.parametrize(
    ("arguments", "options", "got", "near"),
    [
        (("fak", "Fake.IT-pls"), {}, "model 'fak'", "fake"),
        (("fake", "Fake.IT"), {}, "benchmark 'Fake.IT'", "Fake.IT-pls"),
        (("fake", "Fake.*x"), {}, "benchmark 'Fake.*x'", "Fake."),
        (("fake", "Simulated.behaviour*"), {}, "behaviour", "Simulated.behavior*"),
        (("fake", "Fake.IT-pls"), {"protocol": "paperr"}, "protocol 'paperr'", "paper"),
        (("fake", "Fake.IT-pls"), {"protocl": "paper"}, "option 'protocl'", "protocol"),
        (("fake", "Fake.IT-pls"), {"device_": "cpu"}, "option 'device_'", "device"),
        (("fake", "Fake.IT-pls"), {"result": "folder"}, "option 'result'", "results"),
        (("fake", "Fake.IT-pls"), {"overwrite": "allways"}, "'allways'", "always"),
        (("fake", "Fake.IT-pls"), {"layers": {"It": "x"}}, "'It'", "IT"),
    ],
)
def test_unknown_names(arguments, options, got, near):
    with pytest.raises(UnknownNameError) as caught:
        brainbench.score(*arguments, **options)
    assert got in caught.value.got
    assert near in caught.value.allowed
    assert caught.value.todo
    assert SCORED == []


@pytest.mark.parametrize(
    ("arguments", "options", "got", "todo"),
    [
        ((3, "Fake.IT-pls"), {}, "'3' is a int", "brainbench.wrap"),
        ((None, "Fake.IT-pls"), {}, "NoneType", "brainbench.wrap"),
        ((FakeModel, "Fake.IT-pls"), {}, "class", "brainbench.wrap"),
        (("fake", 3), {}, "int", "score(model, benchmark)"),
        (("fake", FakeModel()), {}, "FakeModel", "score(model, benchmark)"),
        (([], "Fake.IT-pls"), {}, "model", "all"),
        (("fake", []), {}, "benchmark", "all"),
        ((FakeModel(), "Fake.IT-pls"), {"model_args": {"size": 3}}, "size", "made"),
        (("fake", "Fake.IT-pls"), {"model_args": {"device": "x"}}, "device", "--device"),
        (("no_such.py:make", "Fake.IT-pls"), {}, "no_such.py", "-m my_model.py"),
        (("model.py", "Fake.IT-pls"), {}, "model.py", "-m my_model.py"),
        (("fake", "Fake.IT-pls"), {"limit": 0}, "limit=0", "--limit"),
        (("fake", "Fake.IT-pls"), {"layers": {"behaviour": "x"}}, "behaviour", "behavior"),
    ],
)
def test_things_that_cannot_be_used(arguments, options, got, todo):
    with pytest.raises(InputError) as caught:
        brainbench.score(*arguments, **options)
    assert got in caught.value.got
    assert todo in caught.value.todo
    assert SCORED == []


def test_options_that_a_model_does_not_take_are_a_failure_of_that_model():
    score = brainbench.score("fake", "Fake.IT-pls", model_args={"sise": 3}, errors="ignore")
    assert "'sise'" in score.reason


def test_a_bare_module_needs_layers():
    with pytest.raises(InputError, match="ReLU") as caught:
        brainbench.score(torch.nn.ReLU(), "Fake.IT-pls")
    assert "layers={'IT': 'layer4'}" in caught.value.todo


def test_a_bare_module_with_layers():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 3), torch.nn.Flatten())
    score = brainbench.score(net, "Fake.IT-pls", layers={"IT": "0"}, device="cpu")
    assert score.model == f"Sequential-{score.record.hashes['model'][:8]}"
    assert score.undescribed
    assert any("weights=" in note for note in score.record.notes)
    assert score.value is not None
    assert score.selection.layer == "0"


def test_nothing_is_kept_without_a_results_folder(results_folder):
    assert brainbench.score("fake", "Fake.IT-pls").file is None
    assert not results_folder.exists()


def test_results_are_kept_and_found_again(tmp_path):
    folder = tmp_path / "kept"
    first = brainbench.score("fake", "Fake.IT-pls", results=folder)
    assert first.predictions_file
    ASKED.clear()
    again = brainbench.score("fake", "Fake.IT-pls", results=str(folder))
    assert again.value == first.value
    assert again.record == first.record
    assert again.file == first.file
    assert ASKED == []


def change_weights(monkeypatch):
    monkeypatch.setenv("FAKE_DIGEST", "changed weights")


def change_version(monkeypatch):
    monkeypatch.setattr(brainbench_fake, "IT", replace(brainbench_fake.IT, version=2))


@pytest.mark.parametrize("change", [change_weights, change_version])
def test_a_changed_model_or_benchmark_never_gets_an_old_result(tmp_path, monkeypatch, change):
    for prepare in (lambda _: None, change):
        prepare(monkeypatch)
        brainbench.score("fake", "Fake.IT-pls", results=tmp_path)
    assert len(SCORED) == 2
    assert len(list(Results(tmp_path).all())) == 2


def test_a_damaged_result_is_computed_again(tmp_path):
    scores = brainbench.score("fake", "Fake.IT-pls,Fake.V1-pls", results=tmp_path)
    for damaged in ('{"schema": 1,', '"\\ud800"', "[" * 100_000):
        Path(scores[0].file).write_text(damaged)
        again = brainbench.score("fake", "Fake.IT-pls,Fake.V1-pls", results=tmp_path)
        assert [one.value for one in again] == [one.value for one in scores]
        assert {finding.state for finding in Results(tmp_path).verify()} == {"sound"}


def test_a_results_folder_that_cannot_be_written_is_known_before_computing(tmp_path):
    (tmp_path / "file").write_text("a file")
    with pytest.raises(CacheError, match=str(tmp_path)):
        brainbench.score("fake", "Fake.IT-pls", results=tmp_path / "file")
    assert SCORED == []


def test_plans_compute_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_MODEL", "broken")
    job = Job.of("fake,fake_second", "Fake.*", Settings(), results=tmp_path / "kept")
    (unable, no_cost), (planned, cost) = job.plans()
    assert (no_cost.model, cost.model) == ("fake", "fake_second")
    assert {item.state for item in unable.items} == {"failed"}
    assert "the weights could not be read" in unable.items[0].score.reason
    assert {item.state for item in planned.items} == {"to_do", "failed"}
    assert (ASKED, SCORED) == ([], [])
    assert not (tmp_path / "kept").exists()


# --- errors --------------------------------------------------------------------------------------------

WITHOUT_A_VALUE = {
    "Fake.failing-pls": (InputError, "failed", "12 images for 25 components"),
    "Fake.crashing-pls": (ScoringError, "failed", "division by zero"),
    "Fake.blind-pls": (InputError, "failed", "recordings of no site"),
    "Away.IT-pls": (DataAbsentError, "data_absent", "not in the data folder"),
    "Elsewhere.TE-pls": (NotApplicableError, "not_applicable", "TE"),
}


@pytest.mark.parametrize("benchmark", WITHOUT_A_VALUE)
def test_one_model_and_one_benchmark_raise_the_error_itself(tmp_path, benchmark):
    kind, status, words = WITHOUT_A_VALUE[benchmark]
    with pytest.raises(kind) as caught:
        brainbench.score("fake", benchmark, results=tmp_path)
    assert type(caught.value) is kind
    assert words in str(caught.value)
    named = "".join(getattr(caught.value, "__notes__", [])) + str(caught.value)
    assert f"fake on {benchmark}" in named
    ignored = brainbench.score("fake", benchmark, errors="ignore")
    assert (ignored.status, ignored.value) == (status, None)
    assert words in ignored.reason
    stored = [one.benchmark for one in Results(tmp_path).all()]
    assert stored == [benchmark] * (benchmark in ("Fake.failing-pls", "Fake.crashing-pls"))


def test_the_traceback_of_what_failed_is_kept():
    with pytest.raises(ScoringError) as caught:
        brainbench.score("fake", "Fake.crashing-pls")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    for error in (caught.value.__cause__, failure_of("Fake.failing-pls")):
        functions = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
        assert functions[-1] == "_misbehave"


def failure_of(benchmark):
    with pytest.raises(brainbench.BrainbenchError) as caught:
        brainbench.score("fake", benchmark)
    return caught.value


def test_a_model_that_cannot_be_made_raises(monkeypatch):
    monkeypatch.setenv("FAKE_MODEL", "broken")
    with pytest.raises(ScoringError, match="the weights could not be read") as caught:
        brainbench.score("fake", "Fake.IT-pls")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_stored_failure_raises_too(tmp_path):
    brainbench.score("fake", "Fake.failing-pls", results=tmp_path, errors="ignore")
    SCORED.clear()
    with pytest.raises(ScoringError, match="12 images for 25 components"):
        brainbench.score("fake", "Fake.failing-pls", results=tmp_path, overwrite="never")
    assert SCORED == []


def test_several_warn_once_for_each(tmp_path):
    with pytest.warns(brainbench.BrainbenchWarning) as caught:
        scores = brainbench.score("fake", ["Fake.IT-pls", *WITHOUT_A_VALUE])
    assert len(caught) == len(WITHOUT_A_VALUE)
    for warning, (benchmark, (_, _, words)) in zip(caught, WITHOUT_A_VALUE.items(), strict=True):
        assert f"fake on {benchmark}" in str(warning.message)
        assert words in str(warning.message)
        assert warning.filename == __file__
    assert [one.status for one in scores[1:]] == [w[1] for w in WITHOUT_A_VALUE.values()]


def test_errors_is_one_of_three(tmp_path):
    with pytest.warns(brainbench.BrainbenchWarning, match="12 images"):
        assert brainbench.score("fake", "Fake.failing-pls", errors="warn").failed
    with pytest.raises(InputError, match="12 images"):
        brainbench.score("fake", "Fake.IT-pls,Fake.failing-pls", errors="raise", results=tmp_path)
    assert {one.benchmark: one.failed for one in Results(tmp_path).all()} == {
        "Fake.IT-pls": False,
        "Fake.failing-pls": True,
    }
    SCORED.clear()
    with pytest.raises(UnknownNameError) as caught:
        brainbench.score("fake", "Fake.IT-pls", errors="rais")
    assert "'rais'" in caught.value.got
    assert SCORED == []


# --- one option in one place ---------------------------------------------------------------------------

PLACEMENT = {field.name for field in fields(Placement)}
OPTIONS = {f.name for kind in (Settings, Variant, Beside, Spread) for f in fields(kind)} | PLACEMENT


def parameters(function):
    return set(inspect.signature(function).parameters)


def test_every_option_is_a_parameter_of_python_and_an_option_of_the_command_line():
    own = {"weights", "model_args", "results", "overwrite", "errors"}
    assert parameters(brainbench.score) == {"model", "benchmark"} | OPTIONS | own
    verbose = {"output_format", "csv", "output", "dry_run", "verbose", "quiet"}
    hidden = {"model_identifier", "benchmark_identifier"}
    program = {"model", "benchmark", "weights", "model_args", "overwrite"} | verbose | hidden
    assert parameters(score.score) == program | OPTIONS


def test_every_option_of_placement_is_one_of_extraction_and_loading():
    for function in (brainbench.extract_activations, extract.extract, brainbench.load_model):
        assert parameters(function) & OPTIONS - {"layers"} == PLACEMENT


def test_options_without_a_settings_field_are_declared_nowhere_else():
    kinds = (Settings, Variant, Beside, Placement, Spread)
    defaults = {name: value for kind in kinds for name, value in vars(kind()).items()}
    signature = inspect.signature(brainbench.score)
    assert {name: signature.parameters[name].default for name in OPTIONS} == defaults


def test_the_documentation_has_the_table_of_options():
    rows = []
    for declaration in (Settings, Variant, Beside, Placement, Spread):
        defaults = vars(declaration())
        for name, option in options_of(declaration).items():
            default = "" if defaults[name] in (None, {}) else defaults[name]
            rows.append(
                f"| `{flag_of(name)} {option.metavar}` | `{name}=` | {default} | {option.help} |"
            )
    table = "\n".join(["| command line | Python | default | meaning |", "|---|---|---|---|", *rows])
    text = (Path(__file__).parents[1] / "docs" / "scores.md").read_text(encoding="utf-8")
    assert table in text, f"docs/scores.md needs this table:\n{table}"


# --- names ---------------------------------------------------------------------------------------------


def test_no_room_has_the_name_of_a_public_function():
    """A subpackage `leaderboard` would replace the function as soon as anything imports it."""
    for module in pkgutil.walk_packages(brainbench.__path__, "brainbench."):
        try:
            importlib.import_module(module.name)
        except ImportError:  # of a library that is not installed
            continue
    for name in set(brainbench.__all__) - {"__version__"}:
        assert callable(getattr(brainbench, name)), name
        assert not inspect.ismodule(getattr(brainbench, name)), name
