"""Brain-Score model objects, by a small stand-in of their interface."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from known import benchmark, brain

from brainbench.core import provenance, stimuli
from brainbench.core.errors import ActivationError, InputError, UnknownNameError
from brainbench.core.pictures import read_picture
from brainbench.core.timeline import Timeline
from brainbench.models.brainscore_models import AS_SHOWN, is_brain_score
from brainbench.models.preprocessing import IMAGENET_224, Preprocess
from brainbench.models.wrap import wrap
from brainbench.scoring.pipeline import score

BINS = [(70.0, 90.0), (90.0, 110.0)]
CLOCK = Timeline(name="bins", source="test", steps={"IT": BINS})


class StandIn:
    """Answers mean colors, times the start of the bin; rows in reverse, with a MultiIndex."""

    identifier = "stand-in"

    def __init__(self, gain=1.0):
        self.gain = gain
        self.region, self.bins = None, None

    def visual_degrees(self):
        return 8

    def start_recording(self, recording_target, time_bins):
        self.region, self.bins = recording_target, list(time_bins)

    def start_task(self, task, fitting_stimuli=None):
        raise AssertionError("nothing asks for behavior")

    def look_at(self, stimuli, number_of_trials=1):
        assert number_of_trials == 1
        ids = list(stimuli["stimulus_id"])[::-1]
        means = [read_picture(Path(stimuli.get_stimulus(i))).mean(axis=(0, 1)) for i in ids]
        sign = -1.0 if self.region == "V4" else 1.0
        values = np.stack(
            [sign * self.gain * np.array(means) * start for start, _ in self.bins], -1
        )
        rows = pd.MultiIndex.from_arrays([ids, range(len(ids))], names=["stimulus_id", "number"])
        sites = pd.MultiIndex.from_arrays(
            [[0, 1, 2], [self.region] * 3], names=["neuroid_id", "region"]
        )
        answer = xr.DataArray(
            values,
            dims=("presentation", "neuroid", "time_bin"),
            coords={
                **xr.Coordinates.from_pandas_multiindex(rows, "presentation"),
                **xr.Coordinates.from_pandas_multiindex(sites, "neuroid"),
                "time_bin_start": ("time_bin", [start for start, _ in self.bins]),
                "time_bin_end": ("time_bin", [end for _, end in self.bins]),
            },
        )
        return self.finished(answer)

    def finished(self, answer):
        return answer.squeeze("time_bin", drop=True) if len(self.bins) == 1 else answer


def pictures(n=5):
    pixels = np.random.default_rng(2).integers(0, 256, (n, 6, 8, 3), dtype=np.uint8)
    return stimuli.from_arrays("few", pixels, ids=[f"im{k}" for k in range(n)])


def means(shown):
    return np.stack([shown.picture(k).mean(axis=(0, 1)) for k in range(len(shown))])


def test_an_object_is_recognized_and_its_class_is_not():
    assert is_brain_score(StandIn())
    assert not is_brain_score(StandIn)
    assert not is_brain_score(lambda images: images)


def test_regions_are_layers_and_rows_come_back_in_order(cache_folder):
    model = wrap(StandIn(), batch_size=2)
    assert {region: tuple(listed) for region, listed in model.areas.items()} == {
        region: (region,) for region in ("V1", "V2", "V4", "IT")
    }
    assert (model.name, model.static, model.preprocess) == ("stand-in", True, AS_SHOWN)
    shown = pictures()
    answers = model.activations(shown, ["IT", "V4"])
    assert answers["IT"].dims == ("stimulus", "neuroid", "time")
    np.testing.assert_allclose(answers["IT"].values[..., 0], 70 * means(shown), rtol=1e-6)
    np.testing.assert_allclose(answers["V4"].values[..., 0], -70 * means(shown), rtol=1e-6)


def test_a_timeline_gives_the_time_bins(cache_folder):
    model = wrap(StandIn(), layers={"IT": "IT"}, timeline=CLOCK)
    answer = model.activations(pictures(), ["IT"])["IT"]
    assert answer.coords["time_start"].values.tolist() == [70, 90]
    ratio = answer.values[..., 1] / answer.values[..., 0]
    np.testing.assert_allclose(ratio, 90 / 70, rtol=1e-6)


def test_bins_in_another_order_are_sorted(cache_folder):
    class Backwards(StandIn):
        def finished(self, answer):
            return answer.isel(time_bin=[1, 0]).transpose("time_bin", "neuroid", "presentation")

    straight = wrap(StandIn(), layers=["IT"], timeline=CLOCK).activations(pictures(), ["IT"])["IT"]
    back = wrap(Backwards(), layers=["IT"], timeline=CLOCK).activations(pictures(), ["IT"])["IT"]
    np.testing.assert_array_equal(back.values, straight.values)


def test_it_is_scored_like_any_model(cache_folder):
    rng = np.random.default_rng(4)
    data = brain(rng.standard_normal((80, 4)))
    seen = means(data.pictures)
    noise = 0.02 * rng.standard_normal((80, 4))
    responses = (seen - seen.mean(0)) / seen.std() @ rng.standard_normal((3, 4)) + noise
    data = brain(responses, ids=list(data.pictures.ids))
    assert score(benchmark(data, n_components=3), wrap(StandIn())).value > 0.9


def test_activations_are_cached_and_another_object_has_its_own(cache_folder):
    shown = pictures()
    model = wrap(StandIn())
    with provenance.counting() as costs:
        first = model.activations(shown, ["IT"])["IT"].values
        model.activations(shown, ["V4"])
        np.testing.assert_array_equal(model.activations(shown, ["IT"])["IT"].values, first)
    assert costs.images == 2 * len(shown)
    other = wrap(StandIn(gain=2.0))
    np.testing.assert_allclose(other.activations(shown, ["IT"])["IT"].values, 2 * first)
    assert other.digest != model.digest
    assert wrap(StandIn(), timeline=CLOCK, layers=["IT"]).digest != model.digest


def test_a_fingerprint_stands_for_the_object(cache_folder):
    one, other = wrap(StandIn(), fingerprint="a"), wrap(StandIn(gain=2.0), fingerprint="a")
    assert one.digest == other.digest
    assert wrap(StandIn(), fingerprint="b").digest != one.digest


def test_each_batch_has_an_identifier_of_its_own(cache_folder):
    """Such objects keep answers by the identifier of the stimuli."""
    names = []

    class Named(StandIn):
        def look_at(self, stimuli, number_of_trials=1):
            names.append(stimuli.identifier)
            assert stimuli[:1].identifier == stimuli.identifier
            assert stimuli.get_image(stimuli["stimulus_id"][0]).endswith(stimuli["filename"][0])
            return super().look_at(stimuli, number_of_trials)

    wrap(Named(), batch_size=2).activations(pictures(4), ["IT"])
    first, fewer, second, again = names
    assert len({first, fewer, second, again}) == 4  # the first images again, in reverse order


def test_a_region_that_was_not_declared(cache_folder):
    with pytest.raises(UnknownNameError, match="'TE'"):
        wrap(StandIn()).activations(pictures(), ["TE"])


def test_a_normalizing_preprocess_is_an_error_and_a_resize_is_none(cache_folder):
    with pytest.raises(InputError, match=r"'imagenet-224'.*mean="):
        wrap(StandIn(), preprocess=IMAGENET_224)
    half = Preprocess(name="half", size=(3, 4))
    answer = wrap(StandIn(), preprocess=half).activations(pictures(), ["IT"])["IT"]
    assert answer.sizes["neuroid"] == 3


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda a: a.values, "ndarray"),
        (lambda a: a.rename(neuroid="unit"), r"\('presentation', 'unit', 'time_bin'\)"),
        (lambda a: a.isel(presentation=[0, 0, 1, 2, 3]), "5 rows .* 5 "),
        (lambda a: a.isel(time_bin=[0]), "1 time bins .*2 "),
        (lambda a: a.drop_vars(["presentation", "stimulus_id", "number"]), "neuroid_id"),
    ],
)
def test_answers_of_another_form_say_what_was_got(wrong, named, cache_folder):
    class Wrong(StandIn):
        def finished(self, answer):
            return wrong(answer)

    model = wrap(Wrong(), layers=["IT"], timeline=CLOCK)
    with pytest.raises(ActivationError, match=f"look_at .*{named}.* 'IT'"):
        model.activations(pictures(), ["IT"])


def test_an_older_image_id_is_taken(cache_folder):
    class Older(StandIn):
        def finished(self, answer):
            ids = answer.coords["stimulus_id"].values
            flat = answer.drop_vars(["presentation", "stimulus_id", "number"])
            return super().finished(flat.assign_coords(image_id=("presentation", ids)))

    new = wrap(StandIn()).activations(pictures(), ["IT"])["IT"]
    old = wrap(Older()).activations(pictures(), ["IT"])["IT"]
    np.testing.assert_array_equal(old.values, new.values)
