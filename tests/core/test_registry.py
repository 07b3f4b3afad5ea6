import re
import sys
from importlib import metadata

import pytest

from brainbench.core import registry
from brainbench.core.errors import InputError, UnknownNameError


@pytest.fixture
def points(monkeypatch):
    """Entry points as a test wants them: {value: function that lists}."""

    def use(**listings):
        found = []
        for value, listing in listings.items():
            module = type(sys)(f"plugin_{value}")
            module.names = listing
            monkeypatch.setitem(sys.modules, module.__name__, module)
            point = metadata.EntryPoint(value, f"{module.__name__}:names", "brainbench.models")
            found.append(point)
        monkeypatch.setattr(registry.metadata, "entry_points", lambda group: found)
        registry.entries.cache_clear()

    yield use
    registry.entries.cache_clear()


MODELS = ["cornet_s", "cornet_z", "pixels", "resnet50"]


@pytest.fixture
def four(points):
    points(bundled=lambda: {name: f"nets:{name}" for name in MODELS})


def test_bundled_plugins_come_through_entry_points():
    assert registry.entries("models")["cornet_s"] == "brainbench_models.cornet_s:cornet_s"
    assert "Simulated.IT-pls" in registry.entries("benchmarks")
    assert "Simulated" in registry.entries("data")


def test_an_outside_plugin_is_as_good_as_a_bundled_one(plugin):
    assert registry.entries("models")["fake"] == "brainbench_fake:fake"
    assert registry.load("benchmarks", "Fake.IT-pls").identifier == "Fake.IT-pls"


def test_names_keep_the_order_of_their_plugin():
    regions = [name.split(".")[1] for name in registry.match("benchmarks", "Simulated.*-pls")]
    assert regions == ["V1-pls", "V2-pls", "V4-pls", "IT-pls"]


def test_names_of_two_plugins_are_listed_together(points):
    points(two=lambda: {"a": "y:a", "b": "x:b"}, one=lambda: {"z": "x:z", "b": "x:b"})
    assert registry.entries("models") == {"z": "x:z", "b": "x:b", "a": "y:a"}
    assert list(registry.entries("models")) == ["z", "b", "a"]  # however they were installed


def test_a_plugin_may_say_what_a_name_is(points):
    points(bundled=lambda: {"a": "x:a", "b": ("x:b", "a small network")})
    assert registry.entries("models") == {"a": "x:a", "b": "x:b"}
    assert registry.summaries("models") == {"a": "x:a", "b": "a small network"}


def test_two_plugins_must_not_share_a_name(points):
    points(one=lambda: {"net": "x:net"}, two=lambda: {"net": "y:net"})
    with pytest.raises(InputError, match=r"model 'net' .*plugin_one:names .*plugin_two:names"):
        registry.entries("models")


def test_a_plugin_that_cannot_be_listed_is_named(points):
    def broken():
        raise RuntimeError("no license")

    points(fine=dict, broken=broken)
    with pytest.raises(InputError, match=r"plugin_broken:names .*RuntimeError: no license"):
        registry.entries("models")
    points(odd=lambda: {"a": ("x:a",)})
    with pytest.raises(InputError, match="plugin_odd:names"):
        registry.entries("models")


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("all", MODELS),
        ("pixels", ["pixels"]),
        ("cornet_*", ["cornet_s", "cornet_z"]),
        ("pixels,cornet_s", ["pixels", "cornet_s"]),
        (" pixels , cornet_* ", ["pixels", "cornet_s", "cornet_z"]),
        ("cornet_z,cornet_*,all", ["cornet_z", "cornet_s", "pixels", "resnet50"]),
        (["resnet50", "pixels"], ["resnet50", "pixels"]),
        ("pixels,", ["pixels"]),
        ("*[sz]", ["cornet_s", "cornet_z", "pixels"]),
        ("cornet_s@untrained-3", ["cornet_s@untrained-3"]),
        ("cornet_*@untrained-3", ["cornet_s@untrained-3", "cornet_z@untrained-3"]),
        ("cornet_?@a.pth,pixels", ["cornet_s@a.pth", "cornet_z@a.pth", "pixels"]),
        ("all@untrained", [f"{name}@untrained" for name in MODELS]),
        ("cornet_s@untrained-8..10", [f"cornet_s@untrained-{seed}" for seed in (8, 9, 10)]),
        ("*_z@untrained-0..1,pixels", ["cornet_z@untrained-0", "cornet_z@untrained-1", "pixels"]),
    ],
)
def test_match(four, patterns, expected):
    assert registry.match("models", patterns) == expected


def test_seeds_that_end_before_they_begin(four):
    with pytest.raises(InputError, match=r"4\.\.0") as caught:
        registry.match("models", "cornet_s@untrained-4..0")
    assert "untrained-0..4" in caught.value.todo


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        ("cornet", "cornet_s, cornet_z"),
        ("Pixels", "pixels"),
        ("xyz*", "cornet_s, cornet_z, pixels, resnet50"),
        ("", "cornet_s, cornet_z, pixels, resnet50"),
        (",", "cornet_s, cornet_z, pixels, resnet50"),
        ("resnet@imagenet", "resnet50"),
        ("xyz*@imagenet", "cornet_s, cornet_z, pixels, resnet50"),
    ],
)
def test_match_says_what_is_near(four, pattern, allowed):
    with pytest.raises(UnknownNameError) as caught:
        registry.match("models", pattern)
    assert set(allowed.split(", ")) <= set(MODELS) & set(re.findall(r"\w+", caught.value.allowed))
    assert "`brainbench list models`" in caught.value.todo


@pytest.mark.parametrize(
    ("group", "name", "near", "kind"),
    [
        ("models", "cornet-s", "cornet_s", "model"),
        ("benchmarks", "Simulated.IT", "Simulated.IT-pls", "benchmark"),
        ("data", "simulated", "Simulated", "data set"),
    ],
)
def test_unknown_names(group, name, near, kind):
    for look in (registry.match, registry.load):
        with pytest.raises(UnknownNameError, match=f"{kind} {name!r}") as caught:
            look(group, name)
        assert near in caught.value.allowed
        assert f"`brainbench list {group}`" in caught.value.todo


def test_weights_after_at_are_for_models_only():
    for pattern in ("Simulated.IT-pls@2", "Simulated.*@2", "all@2"):
        with pytest.raises(UnknownNameError):
            registry.match("benchmarks", pattern)


def test_a_file_of_a_family_keeps_its_at_and_its_wildcard():
    for name in ("*@folder/net.onnx", "timm:resnet18@untrained-1"):
        assert registry.match("models", name) == [name]


def test_a_registered_name_may_hold_an_at(points):
    points(bundled=lambda: {"net@v1": "x:one", "net@v2": "x:two", "net": "x:net"})
    assert registry.match("models", "net@v*") == ["net@v1", "net@v2"]


@pytest.mark.parametrize(
    "target",
    ["no_such_module:thing", "brainbench.core.registry:no_such_thing", "brainbench.core.registry"],
)
def test_what_cannot_be_imported_is_an_error_that_says_so(target):
    with pytest.raises(InputError, match=target):
        registry.imported(target)


def test_imported():
    assert registry.imported("brainbench.core.registry:match") is registry.match


FILE = """
import dataclasses

VALUE = 3

@dataclasses.dataclass
class Options:
    size: int = 3

def make_model():
    return Options()
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text(FILE)
    yield path
    sys.modules.pop("brainbench_user_my_model", None)


def test_function_from_a_file(file):
    assert registry.factory_from_file(f"{file}:make_model")().size == 3
    assert registry.factory_from_file(f"{file}:Options")(size=4).size == 4


@pytest.mark.parametrize("name", ["a.py:f", "/x/a.py:f", "a.py"])
def test_a_name_that_stands_for_a_file(name):
    assert registry.is_file(name)
    assert not registry.is_file("cornet_s@untrained-0")


@pytest.mark.parametrize(
    ("suffix", "problem"),
    [
        ("", "function"),
        (":", "function"),
        (".txt:make_model", "function"),
        ("x.py:f", "no such file"),
    ],
)
def test_a_file_without_function_or_a_function_without_file(file, suffix, problem):
    with pytest.raises(InputError, match=f"'{file}{suffix}': .*{problem}") as caught:
        registry.factory_from_file(f"{file}{suffix}")
    assert "FILE.py:function" in caught.value.allowed


@pytest.mark.parametrize("attribute", ["make_modle", "VALUE"])
def test_a_file_without_that_function(file, attribute):
    with pytest.raises(UnknownNameError, match=f"{file} '{attribute}'") as caught:
        registry.factory_from_file(f"{file}:{attribute}")
    assert "make_model" in caught.value.allowed


def test_half_of_a_file_is_not_left_behind(file):
    file.write_text("import no_such_library_at_all")
    with pytest.raises(ModuleNotFoundError, match="no_such_library_at_all"):
        registry.factory_from_file(f"{file}:make_model")
    assert "brainbench_user_my_model" not in sys.modules
