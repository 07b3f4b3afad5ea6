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
from brainbench.core.score import COLUMNS, STATUSES, Score, ScoreSet, Selection


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


def failed(status="failed", reason="no images"):
    return score(value=None, status=status, reason=reason)


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
        choices={"n_pca": np.int64(40), "shape": (1, 2)},
    )
    return score(
        raw=np.float32(0.5),
        ceiling=0.875,
        error=0.01,
        ci=(0.4, np.float64(0.6)),
        ci_method="bootstrap",
        ci_approximate=np.bool_(True),
        formula="r/c-v1",
        per_unit=per_unit,
        n_units=np.int64(3),
        n_excluded=1,
        n_stimuli=12,
        excluded={"silent": np.int64(1)},
        partial=np.bool_(True),
        simulated=True,
        selection=Selection(
            layer="IT",
            step=np.int64(1),
            curve=({"layer": "IT", "score": np.float64(0.5), "step": np.int64(1), "sd": np.nan},),
        ),
        record=record,
    )


def test_json_and_back_is_the_same_score():
    before = full()
    text = json.dumps(before.to_json(), allow_nan=False)
    after = Score.from_json(json.loads(text))
    for name in before.__dataclass_fields__:
        if name not in ("per_unit", "record", "selection"):
            assert getattr(after, name) == getattr(before, name), name
    xr.testing.assert_identical(after.per_unit.drop_attrs(), before.per_unit.drop_attrs())
    assert after.per_unit.attrs == before.per_unit.attrs
    assert (after.selection.layer, after.selection.step) == ("IT", 1)
    assert after.selection.curve == ({"layer": "IT", "score": 0.5, "step": 1, "sd": None},)
    assert after.record.choices == {"n_pca": 40, "shape": [1, 2]}
    same = {"choices"}
    assert after.record.model_dump(exclude=same) == before.record.model_dump(exclude=same)


@pytest.mark.parametrize("status", STATUSES[1:])
def test_json_of_a_score_without_a_value(status):
    back = Score.from_json(failed(status).to_json())
    assert (back.status, back.reason, back.record) == (status, "no images", None)


def test_predictions_are_not_in_the_json():
    assert "predictions" not in replace(full(), predictions=xr.Dataset()).to_json()


@pytest.mark.parametrize(
    ("options", "got"),
    [
        ({"value": None}, ["'scored'", "value=None"]),
        ({"value": None, "reason": "why"}, ["'scored'", "value=None", "'why'"]),
        ({"value": None, "status": "failed"}, ["'failed'", "reason=None"]),
        ({"reason": "why"}, ["value=0.5", "'why'"]),
        ({"status": "failed", "reason": "why"}, ["'failed'", "value=0.5"]),
        ({"value": math.nan}, ["value=nan"]),
        ({"value": math.inf}, ["value=inf"]),
        ({"raw": math.nan}, ["raw=nan"]),
        ({"ceiling": -math.inf}, ["ceiling=-inf"]),
        ({"error": math.nan}, ["error=nan"]),
        ({"ci": (math.nan, 1.0)}, ["ci=nan"]),
        ({"ci": (0.0, math.inf)}, ["ci, high=inf"]),
        ({"ceiling_ci": (0.0, math.nan)}, ["ceiling_ci, high=nan"]),
    ],
)
def test_never_silently_nan_and_never_without_a_reason(options, got):
    with pytest.raises(InputError) as caught:
        score(**options)
    assert all(word in caught.value.got for word in got)


def test_a_value_is_never_clipped():
    assert score(value=1.25).value == 1.25
    assert score(value=-0.5).value == -0.5


def test_absent_data_and_what_does_not_apply_are_no_failures():
    assert {status: failed(status).failed for status in STATUSES[1:]} == {
        "failed": True,
        "not_applicable": False,
        "data_absent": False,
    }
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
    assert (row["ci_low"], row["ci_high"], row["status"]) == (0.4, 0.6, "scored")
    assert score().row()["ci_low"] is None


def test_set_is_a_sequence_of_scores():
    a, b = score(), failed()
    both = ScoreSet((a, b))
    assert len(both) == 2
    assert list(both) == [a, b]
    assert both[1] is b
    assert isinstance(both[:1], ScoreSet)
    assert list(both[:1]) == [a]
    assert list(both.failed) == [b]


def test_frame_and_csv_keep_all_digits(tmp_path):
    values = ScoreSet((score(value=1 / 3), failed(reason="crashed, badly\n  next: x")))
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


def test_a_csv_of_scores_holds_no_formulas(tmp_path):
    ScoreSet((score(model="=cmd|x", value=-0.5), failed(reason="\x1b[2J+1"))).to_csv(
        tmp_path / "s.csv"
    )
    with (tmp_path / "s.csv").open(newline="") as stream:
        first, second = csv.DictReader(stream)
    assert (first["model"], first["value"]) == ("'=cmd|x", "-0.5")
    assert second["reason"] == r"\x1b[2J+1"
