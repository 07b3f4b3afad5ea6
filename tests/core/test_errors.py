import pickle

import pytest

from brainbench.core import errors

KINDS = [
    errors.BrainbenchError,
    errors.UnknownNameError,
    errors.InputError,
    errors.StimulusError,
    errors.ActivationError,
    errors.DataAbsentError,
    errors.CacheError,
]
BUILT_IN = {
    errors.UnknownNameError: LookupError,
    errors.InputError: ValueError,
    errors.StimulusError: ValueError,
    errors.ActivationError: ValueError,
    errors.DataAbsentError: FileNotFoundError,
    errors.CacheError: RuntimeError,
}


@pytest.mark.parametrize("kind", KINDS)
def test_message_says_what_was_got_what_is_allowed_and_what_to_do(kind):
    error = kind("3 legs", allowed="2 or 4", todo="count again")
    assert str(error) == "3 legs\n  allowed: 2 or 4\n  next: count again"
    assert (error.got, error.allowed, error.todo) == ("3 legs", "2 or 4", "count again")


@pytest.mark.parametrize(("kind", "built_in"), BUILT_IN.items())
def test_can_be_caught_as_its_own_kind_and_as_the_built_in_one(kind, built_in):
    assert issubclass(kind, errors.BrainbenchError)
    with pytest.raises(built_in, match="3 legs"):
        raise kind("3 legs", allowed="2 or 4", todo="count again")


@pytest.mark.parametrize("kind", KINDS)
def test_survives_the_way_back_from_another_process(kind):
    error = kind("3 legs", allowed="2 or 4", todo="count again")
    back = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own bytes
    assert type(back) is kind
    assert str(back) == str(error)
    assert back.todo == "count again"


def test_absent_data_is_no_failed_system_call():
    error = errors.DataAbsentError("no data", allowed="data", todo="get it")
    assert error.errno is None


KNOWN = ["cornet_s", "cornet_z", "resnet50", "IT.output", "V4.output"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("cornets", ["cornet_s", "cornet_z"]),
        ("CORNET_S", ["cornet_s", "cornet_z"]),
        ("IT", ["IT.output"]),
        ("output", ["IT.output", "V4.output"]),
        ("qqqqqq", []),
        ("", []),
    ],
)
def test_nearest_names(written, expected):
    found = errors.nearest(written, KNOWN)
    assert set(found[: len(expected)]) == set(expected)  # equally near ones come in any order
    assert bool(found) == bool(expected)


def test_nearest_gives_at_most_n():
    assert len(errors.nearest("cornet", [f"cornet{k}" for k in range(9)], n=2)) == 2


def test_unknown_asks_did_you_mean():
    error = errors.unknown("model", "cornet_", ["cornet_s", "pixels"], todo="see the list")
    assert isinstance(error, errors.UnknownNameError)
    assert "model 'cornet_'" in error.got
    assert error.allowed.endswith(" cornet_s")
    assert error.todo == "see the list"


def test_unknown_lists_everything_where_nothing_is_near():
    error = errors.unknown("region", "xx", ["V4", "IT"], todo="choose one")
    assert error.allowed == "IT, V4"


def test_unknown_says_how_many_there_are_where_there_are_many():
    error = errors.unknown("layer", "zzz", [f"layer{k:02d}" for k in range(20)], todo="choose one")
    assert error.allowed.startswith("layer00, layer01")
    assert "layer11, ..." in error.allowed
    assert "20" in error.allowed


def test_unknown_where_there_are_none():
    assert errors.unknown("region", "IT", [], todo="declare one").allowed == "none"
