import functools
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
        monkeypatch.setattr(registry, "_points", lambda _: metadata.EntryPoints(found))
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


@pytest.fixture
def left_out(caplog):
    """Texts of the warnings about plug-ins that are left out."""

    def texts():
        return [record.getMessage() for record in caplog.records]

    return texts


def test_of_two_plugins_that_share_a_name_neither_is_taken_for_the_other(points, left_out):
    points(
        one=lambda: {"net": "x:net", "a": "x:a"},
        two=lambda: {"net": "y:net"},
        b=lambda: {"z": "z:z"},
    )
    assert registry.entries("models") == {"z": "z:z"}
    for text, (own, other) in zip(left_out(), (("one", "two"), ("two", "one")), strict=True):
        assert re.search(f"plugin_{own}:names .*model 'net', as plugin_{other}:names", text)
    for look in (registry.load, registry.match):
        with pytest.raises(UnknownNameError, match=r"'net'.*plugin_one:names.*plugin_two:names"):
            look("models", "net")


def test_two_plugins_may_register_the_same(points, left_out):
    points(one=lambda: {"net": "x:net"}, two=lambda: {"net": "x:net", "b": "x:b"})
    assert registry.entries("models") == {"net": "x:net", "b": "x:b"}
    assert left_out() == []


def test_no_plugin_takes_the_name_of_a_bundled_one(points, left_out, monkeypatch):
    points(
        abc=lambda: {"pixels": "evil:pixels", "net": "evil:net"},
        bundled=lambda: {"pixels": "x:pixels"},
    )
    belongs = property(lambda point: type("Package", (), {"name": "brainbench"})())
    monkeypatch.setattr(metadata.EntryPoint, "dist", None)
    found = registry._points(()).select(group="brainbench.models")
    ours = next(point for point in found if "bundled" in point.value)
    kind = type("Ours", (metadata.EntryPoint,), {"dist": belongs})
    others = [point for point in found if point is not ours]
    both = [*others, kind(ours.name, ours.value, ours.group)]
    monkeypatch.setattr(registry, "_points", lambda _: metadata.EntryPoints(both))
    assert registry.entries("models") == {"pixels": "x:pixels"}
    [text] = left_out()
    assert "plugin_abc:names" in text


def raising(error):
    def listing():
        raise error

    return listing


@pytest.mark.parametrize(
    ("listing", "named"),
    [
        (raising(RuntimeError("no license")), "RuntimeError: no license"),
        (raising(SystemExit(3)), "SystemExit: 3"),
        (raising(ImportError("no \x1b[2J")), r"ImportError: no \x1b[2J"),
        (lambda: {"a": ("x:a",)}, "ValueError"),
        (lambda: {"a": 3}, "TypeError"),
        (lambda: {3: "x:a"}, "TypeError: 3"),
        (lambda: {"": "x:a"}, "TypeError: ''"),
        (lambda: {"\x1b[2J": "x:a"}, "TypeError"),
        (lambda: ["a"], "AttributeError"),
        (lambda: None, "AttributeError"),
    ],
)
def test_a_plugin_that_cannot_be_listed_is_named_and_left_out(points, left_out, listing, named):
    points(fine=lambda: {"net": "x:net"}, broken=listing)
    assert registry.entries("models") == {"net": "x:net"}
    assert registry.summaries("models") == {"net": "x:net"}
    assert registry.match("models", "n*") == ["net"]
    [text] = left_out()  # once, however often names are looked up
    assert "plugin_broken:names" in text
    assert named in text
    with pytest.raises(
        UnknownNameError, match="model 'other'; plug-in plugin_broken:names"
    ) as caught:
        registry.load("models", "other")
    assert "`brainbench list models`" in caught.value.todo


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


@pytest.fixture
def families(points, monkeypatch):
    """Families of which one has members by name, one lacks its extra, and one cannot be listed."""
    points(bundled=lambda: {"pixels": "nets:pixels"})

    def absent(name):
        raise InputError(
            "a model of far", allowed="the extra", todo="pip install 'brainbench[far]'"
        )

    def members(name):
        return [f"near:{name}"] if name == "resnet50" else []

    for module, function in (("family_near", members), ("family_far", absent)):
        made = type(sys)(module)
        made.suggestions = function
        monkeypatch.setitem(sys.modules, module, made)
    monkeypatch.setitem(sys.modules, "family_plain", type(sys)("family_plain"))
    known = {"near:": "family_near:make", "far:": "family_far:make", ".net": "family_plain:make"}
    known["lost:"] = "family_lost:make"
    groups = {"models": registry.entries("models"), "families": known}
    monkeypatch.setattr(registry, "entries", functools.cache(groups.__getitem__))


def test_an_unknown_model_may_be_a_member_of_a_family(families):
    with pytest.raises(UnknownNameError, match="'resnet50'") as caught:
        registry.match("models", "resnet50")
    assert "near:resnet50" in caught.value.allowed
    assert "far:resnet50 pip install 'brainbench[far]'" in caught.value.todo
    with pytest.raises(UnknownNameError) as caught:
        registry.match("models", "resnet50@imagenet")
    assert "near:resnet50@imagenet" in caught.value.allowed


@pytest.mark.parametrize("name", ["pixel", "resnet*", "other:resnet50", ""])
def test_families_are_not_asked_for_names_that_are_nearly_known_or_no_names(families, name):
    with pytest.raises(UnknownNameError) as caught:
        registry.match("models", name)
    assert "brainbench[far]" not in caught.value.todo


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


@pytest.mark.parametrize("name", ["a.py:f", "/x/a.py:f", "a.py"])
def test_a_name_that_stands_for_a_file(name):
    assert registry.is_file(name)
    assert not registry.is_file("cornet_s@untrained-0")


@pytest.mark.parametrize(
    "code", ["raise RuntimeError('no license')", "import sys; sys.exit(3)", "1 +", "1 / 0"]
)
def test_a_module_that_breaks_when_it_is_imported_is_an_error_of_ours(tmp_path, monkeypatch, code):
    (tmp_path / "breaks_on_import.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match="breaks_on_import:net"):
        registry.imported("breaks_on_import:net")
