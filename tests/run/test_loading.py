"""Models, benchmarks and data sets by name."""

import inspect
from dataclasses import fields

import brainbench_fake
import pytest
from brainbench_fake import FakeModel
from recorded_notes import RecordedNotes

from brainbench.core import progress
from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import Dataset
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.settings import Placement
from brainbench.run import loading

pytestmark = pytest.mark.usefixtures("plugin")


def test_lists():
    assert loading.list_models("fake*") == ["fake", "fake_second"]
    assert loading.list_benchmarks("Fake.IT-*") == ["Fake.IT-pls"]
    assert loading.list_data("FakeStored") == ["FakeStored"]
    assert "cornet_s" in loading.list_models()


def test_fakes_keep_the_contracts():
    assert isinstance(brainbench_fake.FakeData(), Dataset)
    assert isinstance(loading.load_benchmark("Fake.IT-pls"), Benchmark)


@pytest.mark.parametrize("name", ["fake", "fake@untrained-0"])
def test_a_model_with_its_own_and_with_named_weights(name):
    assert loading.load_model(name).name == name


def test_a_model_is_placed_on_its_device():
    model = loading.load_model("fake", device="cpu", batch_size=3)
    assert (model.device, model.batch_size) == ("cpu", 3)


def test_the_signature_of_load_model_names_every_option_of_placement():
    parameters = inspect.signature(loading.load_model).parameters
    assert {field.name for field in fields(Placement)} < set(parameters)
    assert parameters["options"].kind is inspect.Parameter.VAR_KEYWORD


def test_options_go_to_the_function():
    assert "7 'x'" in loading.load_model("fake", size=7, flag="x").digest


@pytest.mark.parametrize(
    ("name", "options", "words", "allowed"),
    [
        ("fake", {"sise": 3}, "sise", "weights, size, flag"),
        ("fake_second", {"size": 3}, "size", "none"),
        ("fake_second@imagenet", {}, "weights", "none"),
    ],
)
def test_options_that_a_model_does_not_take(name, options, words, allowed):
    with pytest.raises(InputError, match=f"{name}.*{words}") as caught:
        loading.load_model(name, **options)
    assert allowed in caught.value.allowed
    assert "--model-args" in caught.value.todo


def test_an_unknown_precision():
    with pytest.raises(UnknownNameError, match="half") as caught:
        loading.load_model("fake", precision="half")
    assert "bf16" in caught.value.allowed


@pytest.mark.parametrize(
    ("code", "todo"),
    [
        (
            "def plain(images):\n    return images\n",
            "`return brainbench.wrap(plain, name='plain')`",
        ),
        ("def plain(images, size=3, *more):\n    return images\n", "brainbench.wrap(plain"),
        ("def plain(*, size=3):\n    return 3\n", "--model-args"),
    ],
)
def test_a_network_in_place_of_a_function_that_makes_one(tmp_path, code, todo):
    path = tmp_path / "plain_model.py"
    path.write_text(code)
    options = {} if "images" in code else {"flag": 1}
    with pytest.raises(InputError, match="plain") as caught:
        loading.load_model(f"{path}:plain", **options)
    assert todo in caught.value.todo


def test_a_type_error_inside_a_model_is_not_taken_for_a_wrong_option(tmp_path):
    path = tmp_path / "broken_model.py"
    path.write_text("def make_model():\n    return len(argument=3)\n")
    with pytest.raises(TypeError, match="len"):
        loading.load_model(f"{path}:make_model")


def test_unknown_weights_are_refused_by_the_model():
    with pytest.raises(InputError, match="imagnet"):
        loading.load_model("fake@imagnet")


def test_weights_for_a_model_without_a_choice_are_omitted_with_a_note():
    recorded = RecordedNotes()
    with progress.use(recorded):
        model = loading.model_with("fake_second", {"weights": "imagenet"})
    assert model.name == "fake_second"
    [note] = recorded.notes
    assert "fake_second" in note


@pytest.mark.parametrize("name", ["fak", "fak@untrained-0"])
def test_an_unknown_model(name):
    with pytest.raises(UnknownNameError, match="fak") as caught:
        loading.load_model(name)
    assert "fake" in caught.value.allowed
    assert "brainbench list models" in caught.value.todo


def test_an_unknown_benchmark():
    with pytest.raises(UnknownNameError, match=r"Fake\.IT-plz") as caught:
        loading.load_benchmark("Fake.IT-plz")
    assert "Fake.IT-pls" in caught.value.allowed


@pytest.mark.parametrize("pattern", ["ZhangDesimone2011*", "ZhangDesimone2011", "ZhangD*.IT-*"])
def test_a_pattern_that_only_benchmarks_by_rule_could_fit_says_how_these_are_named(pattern):
    with pytest.raises(UnknownNameError) as caught:
        loading.list_benchmarks(pattern)
    assert pattern in caught.value.got
    assert "ZhangDesimone2011.REGION-MEASURE" in caught.value.allowed
    assert "brainbench data show ZhangDesimone2011" in caught.value.todo


@pytest.mark.parametrize(
    ("former", "current"),
    [
        ("Simulated.behaviour-i2n", "Simulated.behavior-i2n"),
        ("Simulated.behaviour*", "Simulated.behavior*"),
    ],
)
def test_a_benchmark_by_its_former_name(former, current):
    for look_up in (loading.load_benchmark, loading.list_benchmarks):
        with pytest.raises(UnknownNameError) as caught:
            look_up(former)
        assert former in caught.value.got
        assert current in caught.value.allowed


def test_a_region_of_a_model_by_its_former_name():
    with pytest.raises(InputError, match=r"'net' .*'behaviour'") as caught:
        loading.checked(FakeModel(areas={"behaviour": ("IT.output",)}), name="net")
    assert "behavior" in caught.value.todo


FILE = """
from brainbench_fake import FakeModel

def make_model(*, name="mine"):
    return FakeModel(name=name)

def make_number():
    return 3
"""


def test_a_model_from_a_file(tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text(FILE)
    assert loading.load_model(f"{path}:make_model").name == "mine"
    assert loading.load_model(f"{path}:make_model", name="yours").name == "yours"
    with pytest.raises(InputError, match=r"make_number' is a int, without name, weights") as caught:
        loading.load_model(f"{path}:make_number")
    assert "brainbench.wrap" in caught.value.todo


@pytest.mark.parametrize("text", ["raise SystemExit(3)", "def make():\n    raise SystemExit(3)"])
def test_a_model_that_ends_the_program_is_an_error(text, tmp_path):
    (tmp_path / "my_model.py").write_text(text)
    with pytest.raises(InputError, match="SystemExit: 3"):
        loading.load_model(f"{tmp_path}/my_model.py:make")
