import json
import math

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from brainbench.core.digits import decimal
from brainbench.core.errors import InputError
from brainbench.core.score import STATUSES, Score, ScoreSet, Selection

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12)


@st.composite
def per_unit(draw):
    n = draw(st.integers(1, 5))
    values = draw(st.lists(st.one_of(FINITE, st.just(math.nan)), min_size=n, max_size=n))
    names = draw(st.lists(TEXT, min_size=n, max_size=n))
    numbers = draw(st.lists(st.integers(-1000, 1000), min_size=n, max_size=n))
    return xr.DataArray(
        values,
        dims=("neuroid",),
        coords={"neuroid_id": ("neuroid", names), "channel": ("neuroid", numbers)},
    )


@st.composite
def scores(draw):
    has_value = draw(st.booleans())
    return Score(
        model=draw(TEXT),
        weights=draw(TEXT),
        benchmark=draw(TEXT),
        version=draw(st.integers(1, 99)),
        protocol=draw(st.sampled_from(["paper", "brainscore"])),
        value=draw(FINITE) if has_value else None,
        status="scored" if has_value else draw(st.sampled_from(STATUSES[1:])),
        reason=None if has_value else draw(TEXT),
        raw=draw(st.none() | FINITE),
        ceiling=draw(st.none() | FINITE),
        ci=draw(st.none() | st.tuples(FINITE, FINITE)),
        ceiling_ci=draw(st.none() | st.tuples(FINITE, FINITE)),
        ceiling_above_0=draw(st.none() | st.booleans()),
        excluded=draw(st.dictionaries(TEXT, st.integers(0, 99), max_size=3)),
        partial=draw(st.booleans()),
        ci_approximate=draw(st.booleans()),
        selection=Selection(layer=draw(st.none() | TEXT), step=draw(st.none() | st.integers(0, 9))),
        per_unit=draw(st.none() | per_unit()),
    )


@given(score=scores())
def test_json_and_back_is_the_same_score(score):
    back = Score.from_json(json.loads(json.dumps(score.to_json(), allow_nan=False)))
    for name in score.__dataclass_fields__:
        if name != "per_unit":
            assert getattr(back, name) == getattr(score, name)
    if score.per_unit is None:
        assert back.per_unit is None
    else:
        np.testing.assert_array_equal(back.per_unit.values, score.per_unit.values)
        for name in score.per_unit.coords:
            assert back.per_unit[name].values.tolist() == score.per_unit[name].values.tolist()


@given(score=scores())
def test_there_is_a_value_or_a_reason(score):
    assert (score.value is None) != (score.reason is None)
    assert (score.value is None) == (score.status != "scored")


@given(
    value=st.sampled_from([math.nan, math.inf, -math.inf]),
    where=st.sampled_from(["value", "raw", "ceiling", "error"]),
)
def test_no_figure_is_ever_nan_or_infinite(value, where):
    figures = {"value": 0.5, where: value}
    with pytest.raises(InputError, match=where):
        Score(model="m", weights="w", benchmark="b", version=1, protocol="paper", **figures)


@given(several=st.lists(scores(), max_size=5))
def test_a_frame_has_one_row_per_score(several):
    frame = ScoreSet(tuple(several)).to_frame()
    assert len(frame) == len(several)
    assert frame["value"].isna().sum() == sum(one.value is None for one in several)
    assert (frame["status"] == "failed").sum() == len(ScoreSet(tuple(several)).failed)


@given(value=st.floats(-1000, 1000))
def test_three_decimals_read_back_as_the_rounded_value(value):
    shown = decimal(value)
    assert float(shown) == round(value, 3)
    assert len(shown.partition(".")[2]) == 3
    assert not shown.startswith(("0", "-0"))
    assert shown != "-.000"
