import csv
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from brainbench.core import provenance
from brainbench.core.errors import InputError
from brainbench.core.score import COLUMNS, Score, ScoreSet, failure


def score(**more):
    base = {
        "model": "cornet_s@untrained-0",
        "weights": "untrained-0",
        "benchmark": "Simulated.IT-pls",
        "version": 2,
        "protocol": "paper",
        "value": 0.5,
    }
    return Score(**{**base, **more})


def full():
    per_unit = xr.DataArray(
        np.array([0.25, np.nan, -0.125]),
        dims=("neuroid",),
        coords={
            "neuroid_id": ("neuroid", ["s0", "s1", "s2"]),
            "channel": ("neuroid", np.array([3, 1, 2])),
            "kept": ("neuroid", np.array([True, False, True])),
            "ceiling": ("neuroid", np.array([0.5, np.nan, 0.75])),
        },
        attrs={"formula": "raw-v1", "n": np.int64(3), "floor": np.float32(0.5)},
    )
    record = provenance.record(
        seeds={"run": 0},
        hashes={"model": "abc"},
        curve=[{"layer": "IT", "score": np.float64(0.5), "step": np.int64(1), "sd": np.nan}],
        choices={"n_pca": np.int64(40), "shape": (1, 2)},
    )
    return score(
        raw=np.float32(0.5),
        ceiling=0.875,
        error=0.01,
        ci=(0.4, np.float64(0.6)),
        ci_method="bootstrap",
        formula="r/c-v1",
        per_unit=per_unit,
        n_units=np.int64(3),
        n_excluded=1,
        n_stimuli=12,
        excluded={"silent": np.int64(1)},
        partial=np.bool_(True),
        simulated=True,
        record=record,
    )


def test_json_and_back_is_the_same_score():
    before = full()
    text = json.dumps(before.to_json(), allow_nan=False)
    after = Score.from_json(json.loads(text))
    for name in before.__dataclass_fields__:
        if name not in ("per_unit", "record"):
            assert getattr(after, name) == getattr(before, name), name
    xr.testing.assert_identical(after.per_unit.drop_attrs(), before.per_unit.drop_attrs())
    assert after.per_unit.attrs == before.per_unit.attrs
    assert after.record.curve == [{"layer": "IT", "score": 0.5, "step": 1, "sd": None}]
    assert after.record.choices == {"n_pca": 40, "shape": [1, 2]}
    same = {"curve", "choices"}
    assert after.record.model_dump(exclude=same) == before.record.model_dump(exclude=same)


def test_json_of_a_failure():
    failed = failure(
        model="m", weights="w", benchmark="b", version=1, protocol="paper", reason="no images"
    )
    assert failed.failed
    assert Score.from_json(failed.to_json()).reason == "no images"
    assert Score.from_json(failed.to_json()).record is None


def test_predictions_are_not_in_the_json():
    assert "predictions" not in replace(full(), predictions=xr.Dataset()).to_json()


@pytest.mark.parametrize(
    ("options", "got"),
    [
        ({"value": None}, "a score with value=None and reason=None"),
        ({"reason": "why"}, "a score with value=0.5 and reason='why'"),
        ({"value": math.nan}, "a score with value=nan"),
        ({"value": math.inf}, "a score with value=inf"),
        ({"raw": math.nan}, "a score with raw=nan"),
        ({"ceiling": -math.inf}, "a score with ceiling=-inf"),
        ({"error": math.nan}, "a score with error=nan"),
        ({"ci": (math.nan, 1.0)}, "a score with ci=nan"),
        ({"ci": (0.0, math.inf)}, "a score with ci, high=inf"),
    ],
)
def test_never_silently_nan_and_never_without_a_reason(options, got):
    with pytest.raises(InputError) as caught:
        score(**options)
    assert caught.value.got == got
    assert caught.value.todo


def test_a_value_is_never_clipped():
    assert score(value=1.25).value == 1.25
    assert score(value=-0.5).value == -0.5


def test_what_does_not_apply_is_no_failure():
    assert not score(value=None, reason="no layer", inapplicable=True).failed


def test_absent_data_is_no_failure():
    assert not score(value=None, reason="data not here", absent=True).failed
    assert score(value=None, reason="crashed").failed
    assert not score().failed


def test_untrained_weights_are_known():
    assert score().untrained
    assert not score(weights="imagenet").untrained


def test_recording():
    costed = full().recording(seconds=1.235, forward_seconds=0.5)
    assert costed.seconds == 1.235
    assert costed.record.forward_seconds == 0.5
    assert full().seconds == 0.0
    without = score()
    assert without.recording(seconds=1) is without
    assert without.seconds == 0.0


def test_row_has_exactly_the_columns():
    row = full().row()
    assert tuple(row) == COLUMNS
    assert (row["ci_low"], row["ci_high"]) == (0.4, 0.6)
    assert score().row()["ci_low"] is None


def test_set_is_a_sequence_of_scores():
    a, b = score(), score(value=None, reason="crashed")
    both = ScoreSet((a, b))
    assert len(both) == 2
    assert list(both) == [a, b]
    assert both[1] is b
    assert isinstance(both[:1], ScoreSet)
    assert list(both[:1]) == [a]
    assert list(both.failed) == [b]


def test_frame_and_csv_keep_all_digits(tmp_path):
    values = ScoreSet((score(value=1 / 3), score(value=None, reason="crashed, badly\n  next: x")))
    frame = values.to_frame()
    assert tuple(frame.columns) == COLUMNS
    values.to_csv(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(newline="") as stream:
        assert float(next(csv.DictReader(stream))["value"]) == 1 / 3
    read = pd.read_csv(tmp_path / "scores.csv")
    assert tuple(read.columns) == COLUMNS
    assert read["value"][0] == pytest.approx(1 / 3, abs=1e-15)
    assert math.isnan(read["value"][1])
    assert read["reason"][1] == "crashed, badly\n  next: x"


def test_frame_of_nothing_has_the_columns():
    assert tuple(ScoreSet(()).to_frame().columns) == COLUMNS
