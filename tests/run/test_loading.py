import brainbench_fake
import pytest
from brainbench_fake import FakeModel

from brainbench.core.benchmark import Benchmark
from brainbench.core.dataset import Dataset
from brainbench.core.errors import InputError, NotApplicableError, UnknownNameError
from brainbench.core.model import BrainModel, check_model, clock_of, layers_of
from brainbench.core.settings import Settings
from brainbench.core.timeline import STATIC, Timeline
from brainbench.run import loading

pytestmark = pytest.mark.usefixtures("plugin")


def test_lists():
    assert loading.list_models("fake*") == ["fake", "fake_second"]
    assert loading.list_benchmarks("Fake.IT-*") == ["Fake.IT-pls"]
    assert loading.list_data("FakeStored") == ["FakeStored"]
    assert "cornet_s" in loading.list_models()


def test_fakes_keep_the_contracts():
    assert isinstance(FakeModel(), BrainModel)
    assert isinstance(brainbench_fake.FakeData(), Dataset)
    assert isinstance(loading.load_benchmark("Fake.IT-pls"), Benchmark)


@pytest.mark.parametrize(
    ("name", "identity"), [("fake", "fake"), ("fake@untrained-0", "fake@untrained-0")]
)
def test_a_model_with_its_own_and_with_named_weights(name, identity):
    assert loading.load_model(name).name == identity


def test_a_model_is_placed_on_its_device():
    placed = loading.load_model("fake", device="cpu", batch_size=3)
    assert (placed.device, placed.batch_size) == ("cpu", 3)


def test_options_go_to_the_function():
    assert "7 'x'" in loading.load_model("fake", size=7, flag="x").digest


@pytest.mark.parametrize(
    ("name", "options", "got", "allowed"),
    [
        ("fake", {"sise": 3}, "unexpected keyword argument 'sise'", "weights, size, flag"),
        ("fake_second", {"size": 3}, "unexpected keyword argument 'size'", "the options none"),
        ("fake_second@imagenet", {}, "unexpected keyword argument 'weights'", "the options none"),
    ],
)
def test_options_that_a_model_does_not_take(name, options, got, allowed):
    with pytest.raises(InputError) as caught:
        loading.load_model(name, **options)
    assert caught.value.got.startswith(f"model {name!r}: ")
    assert got in caught.value.got
    assert allowed in caught.value.allowed
    assert "--model-args" in caught.value.todo


@pytest.mark.parametrize(
    ("code", "todo"),
    [
        (
            "def plain(images):\n    return images\n",
            "`return brainbench.wrap(plain, name='plain')`",
        ),
        ("def plain(images, size=3, *more):\n    return images\n", "brainbench.wrap(plain"),
        ("def plain(*, size=3):\n    return 3\n", "give only these, with --model-args"),
    ],
)
def test_a_network_in_place_of_a_function_that_makes_one(tmp_path, code, todo):
    path = tmp_path / "plain_model.py"
    path.write_text(code)
    options = {} if "images" in code else {"flag": 1}
    with pytest.raises(InputError) as caught:
        loading.load_model(f"{path}:plain", **options)
    assert todo in caught.value.todo
    assert ("a function that makes a model" in caught.value.allowed) == ("images" in code)


def test_a_type_error_inside_a_model_is_not_taken_for_a_wrong_option(tmp_path):
    path = tmp_path / "broken_model.py"
    path.write_text("def make_model():\n    return len(argument=3)\n")
    with pytest.raises(TypeError, match="len"):
        loading.load_model(f"{path}:make_model")


def test_unknown_weights_are_refused_by_the_model():
    with pytest.raises(InputError, match="fake with weights 'imagnet'"):
        loading.load_model("fake@imagnet")


@pytest.mark.parametrize("name", ["fak", "fak@untrained-0"])
def test_unknown_model(name):
    with pytest.raises(UnknownNameError) as caught:
        loading.load_model(name)
    assert "unknown model 'fak" in caught.value.got
    assert "fake" in caught.value.allowed
    assert caught.value.todo == "see `brainbench list models`"


def test_unknown_benchmark():
    with pytest.raises(UnknownNameError, match=r"unknown benchmark 'Fake\.IT-plz'") as caught:
        loading.load_benchmark("Fake.IT-plz")
    assert "Fake.IT-pls" in caught.value.allowed


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


def test_what_a_model_lacks_is_named_and_nothing_is_computed():
    class Nearly(FakeModel):
        clocks = None

        @property
        def digest(self):
            raise AssertionError("a digest takes time")

    given = Nearly.__new__(Nearly)
    object.__setattr__(given, "__dict__", {"name": "x", "weights": "none", "areas": {}})
    with pytest.raises(InputError) as caught:
        check_model(given, name="nearly")
    assert caught.value.got == "model 'nearly' is a Nearly, without clocks"
    assert caught.value.allowed == "a BrainModel, as brainbench.wrap makes it"


def test_a_class_is_no_model():
    with pytest.raises(InputError, match="'FakeModel' is a class, not made yet"):
        check_model(FakeModel, name="FakeModel")


def test_layers_are_the_models_own_or_the_users():
    model = FakeModel(areas={"IT": ("a", "b")})
    assert layers_of(model, "IT", Settings()) == ("a", "b")
    assert layers_of(model, "IT", Settings(layers={"IT": "c"})) == ("c",)
    assert layers_of(model, "V4", Settings(layers={"V4": "c"})) == ("c",)
    with pytest.raises(NotApplicableError) as caught:
        layers_of(model, "V4", Settings())
    assert caught.value.got == "no layer of fake stands for V4"
    assert caught.value.allowed == "its regions IT, or a layer that you name"
    assert caught.value.todo == "name a layer for it: --layers V4=LAYER"


def test_a_protocol_takes_the_clock_of_its_name():
    paper = Timeline(name="paper", source="x", steps={"IT": [(0, 1)]})
    other = Timeline(name="brainscore", source="x", steps={"IT": [(0, 2)]})
    model = FakeModel(clocks={"paper": paper, "brainscore": other})
    assert clock_of(model, "paper") is paper
    assert clock_of(model, "brainscore") is other
    assert clock_of(FakeModel(), "brainscore") is STATIC


@pytest.mark.parametrize(
    ("options", "got", "todo"),
    [
        (
            {"protocol": "papre"},
            "unknown protocol 'papre'",
            "choose --protocol paper or brainscore",
        ),
        ({"limit": 0}, "a limit of 0 stimuli", "give --limit N"),
        ({"limit": -4}, "a limit of -4 stimuli", "give --limit N"),
        ({"seed": -1}, "a seed of -1", "give --seed N, for example 0"),
    ],
)
def test_settings_are_checked(options, got, todo):
    with pytest.raises((InputError, UnknownNameError)) as caught:
        Settings(**options)
    assert caught.value.got == got
    assert caught.value.todo == todo
