"""ConvRNNs as BrainModels: weights, clocks, presentations, errors."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from convrnns import SIDE, normal_images, small, small_net
from pictures import noise_pictures
from recorded_notes import RecordedNotes
from steps import same_weights

from brainbench.core import progress
from brainbench.core.errors import ActivationError, InputError, UnknownNameError
from brainbench.core.model import BEHAVIOR, BrainModel
from brainbench.core.presentation import Presentation
from brainbench.core.stimuli import StimulusSet
from brainbench.models import checkpoints
from brainbench.models.preprocessing import Preprocess
from brainbench.models.wrap import WrappedModel, wrap
from brainbench.run import loading
from brainbench_models.convrnn.decoders import Decoder
from brainbench_models.convrnn.graph import Cell, Graph, Layer
from brainbench_models.convrnn.initializers import draw_weights
from brainbench_models.convrnn.models import clock, convrnn, diagram
from brainbench_models.convrnn.networks import graph
from brainbench_models.convrnn.tensorflow import convert, softmax_beta, variables
from brainbench_models.convrnn.unroll import ConvRNN, check_finite, too_short

pytestmark = pytest.mark.usefixtures("cache_folder")
PULSE = Presentation(kind="pulse", on_ms=30, total_ms=80)


def _model(net: ConvRNN) -> WrappedModel:
    return wrap(
        net,
        layers={"V4": "conv2", "IT": ["conv3", "conv4"]},
        preprocess=Preprocess(name="small", size=(SIDE, SIDE)),
        timeline=clock(net.graph, steps=net.steps),
        behavior="behavior",
        presentations=("constant", "pulse"),
        name="small",
    )


def _pictures() -> StimulusSet:
    return noise_pictures(4, SIDE)


def test_a_pulse_and_a_constant_image_are_different_activations() -> None:
    model = _model(small_net(None))
    constant = model.activations(_pictures(), ["conv2"])["conv2"]
    pulse = model.activations(_pictures(), ["conv2"], PULSE)["conv2"]
    assert constant.sizes["time"] == pulse.sizes["time"] == 8
    assert pulse.coords["time_start"].to_numpy().tolist() == [10.0 * t for t in range(8)]
    assert pulse.coords["time_end"].to_numpy()[-1] == 80.0
    c, p = constant.to_numpy(), pulse.to_numpy()
    changed = [not np.array_equal(c[:, :, t], p[:, :, t]) for t in range(8)]
    assert changed == [False] * 4 + [True] * 4  # layer 2 is one step late
    longer = model.activations(_pictures(), ["conv2"], Presentation(kind="pulse", on_ms=50))
    assert not np.array_equal(longer["conv2"].to_numpy(), p)


def test_a_static_network_gives_the_square_wave_of_its_pulse() -> None:
    wave = _model(small_net(None)).activations(_pictures(), ["conv3"], PULSE)["conv3"].to_numpy()
    driven = [float(np.ptp(wave[:, :, t], axis=0).max()) > 0 for t in range(8)]
    assert driven == [False, False, True, True, True, False, False, False]


def test_the_behavior_is_one_state() -> None:
    model = _model(small_net("gru"))
    (layer,) = model.areas[BEHAVIOR]
    assert model.activations(_pictures(), [layer])[layer].sizes["time"] == 1


@pytest.mark.parametrize("decoder", ["last", "max_conf"])
def test_the_behavior_after_a_pulse_is_about_the_picture_not_the_blank(decoder: Decoder) -> None:
    """Without recurrence it is what it is while the picture stays."""
    model = _model(small_net(None, decoder=decoder))
    (layer,) = model.areas[BEHAVIOR]
    still, pulse = (
        model.activations(_pictures(), [layer], shown)[layer].to_numpy()
        for shown in (Presentation(), PULSE)
    )
    assert np.ptp(pulse, axis=0).max() > 0
    np.testing.assert_allclose(pulse, still, rtol=1e-6)


def test_a_longer_presentation_takes_further_steps_with_times_of_their_own() -> None:
    """As of Geirhos2019, 300 ms, for networks of 26 steps; here 101 ms for one of 8."""
    model, eleven_steps = _model(small_net("gru")), _model(small_net("gru", steps=11))
    longer = Presentation(kind="pulse", on_ms=30, total_ms=101)
    (layer,) = model.areas[BEHAVIOR]
    of_longer = model.activations(_pictures(), ["conv2", layer], longer)
    of_pulse = model.activations(_pictures(), ["conv2"], PULSE)["conv2"].to_numpy()
    ends = of_longer["conv2"].coords["time_end"].to_numpy().tolist()
    assert ends == [10.0 * t for t in range(1, 12)]
    np.testing.assert_array_equal(of_longer["conv2"].to_numpy()[:, :, :8], of_pulse)
    assert model.probe(_pictures(), ["conv1"], longer).steps == {"conv1": 11}
    of_eleven = eleven_steps.activations(_pictures(), ["conv2", layer], longer)
    for name, activations in of_eleven.items():
        np.testing.assert_array_equal(of_longer[name].to_numpy(), activations.to_numpy())
    assert of_longer[layer].sizes["time"] == 1
    weights = model.clock.weights("conv2", [(95, 105)], calls=11)
    assert weights.tolist() == [[0.0] * 9 + [0.5, 0.5]]


def test_exploding_activations_name_layer_step_and_stimulus() -> None:
    net = small_net("timedecay")
    with torch.no_grad():
        net.conv3.cell.decay.fill_(1e30)  # type: ignore[union-attr, operator]
    for layers in (["conv3"], ["conv4"], ["conv4", "behavior"]):  # conv3 is to blame, always
        with pytest.raises(ActivationError, match=r"'conv3'.* inf .* 4 \(40-50 ms\).* 'p0'"):
            _model(net).activations(_pictures(), layers)


def test_the_image_with_nan_is_named_in_a_batch() -> None:
    images = torch.zeros(3, 3, SIDE, SIDE)
    images[1, 0, 2, 2] = torch.nan
    with pytest.raises(ActivationError, match=r"'conv1'.* NaN .* 0 \(0-10 ms\)") as caught:
        small_net("gru")(images)
    assert caught.value.row == 1
    assert "'b'" in caught.value.naming(["a", "b", "c"]).got


def test_a_sum_that_overflows_is_not_an_error() -> None:
    check_finite({"conv1": torch.full((1, 4), 3e38)}, 0)


def test_probing_takes_the_presentation_too() -> None:
    probe = _model(small_net("gru")).probe(_pictures(), ["conv2"], PULSE)
    assert probe.steps == {"conv2": 8}


def test_a_presentation_that_does_not_exist() -> None:
    with pytest.raises(UnknownNameError, match="flash"):
        wrap(small_net(None), layers=["conv1"], presentations=("constant", "flash"))  # type: ignore[arg-type]


@pytest.mark.parametrize("kinds", [("pulse",), ()])
def test_a_model_that_takes_no_constant_image(kinds: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="presentations="):
        wrap(small_net(None), layers=["conv1"], presentations=kinds)  # type: ignore[arg-type]


def test_a_function_that_would_take_a_presentation() -> None:
    with pytest.raises(InputError, match="pulse"):
        wrap(lambda images: images, presentations=("constant", "pulse"))


def test_by_name() -> None:
    model = loading.load_model("convrnn_timedecay_shallow@untrained-3")
    assert isinstance(model, BrainModel)
    assert model.name == "convrnn_timedecay_shallow@untrained-3"
    assert model.weights == "untrained-3"
    assert set(model.presentations) == {"constant", "pulse", "movie"}
    assert model.frame_ms == 10.0
    assert not model.static
    assert model.areas["V4"] == ("conv3",)
    assert "V1" not in model.areas
    (timeline,) = model.clocks.values()
    assert timeline.spans("conv3", calls=26)[:2] == ((0.0, 10.0), (10.0, 20.0))


def test_areas_of_deep_networks() -> None:
    supplement = convrnn("ff6_deeper", weights="untrained")
    assert supplement.areas["V4"] == ("conv6",)
    assert supplement.areas["IT"] == ("conv7", "conv8")
    assert (supplement.areas["pIT"], supplement.areas["aIT"]) == (("conv7",), ("conv8",))
    readme = convrnn("ff6_deeper", weights="untrained", areas="readme")
    assert readme.areas["V4"] == ("conv5", "conv6")
    assert readme.areas["pIT"] == ("conv7", "conv8")
    with pytest.raises(UnknownNameError, match="'paper'"):
        convrnn("ff6", areas="paper")  # type: ignore[arg-type]


def test_options_are_part_of_the_name() -> None:
    model = convrnn("ff6", weights="untrained-1", steps=30, unroll="full", decoder="max_conf")
    assert model.name == "ff6-full-t30-max_conf@untrained-1"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"areas": "readme"}, "ff6_deeper-readme"),
        ({"threshold": 0.5}, "ff6_deeper"),  # no effect on the last step
        ({"beta": 3}, "ff6_deeper"),
        ({"decoder": "max_conf", "threshold": 0.5, "beta": 3.0}, "ff6_deeper-max_conf-b3"),
        ({"decoder": "threshold", "threshold": 0.5}, "ff6_deeper-threshold-p0.5"),
        (
            {"decoder": "threshold", "threshold": 1, "beta": 0.30000001},
            "ff6_deeper-threshold-p1-b0.30000001",
        ),
        ({"decoder": "threshold", "threshold": 0.9, "beta": 1}, "ff6_deeper-threshold"),
    ],
)
def test_options_are_part_of_the_name_where_they_have_an_effect(
    options: dict[str, Any], name: str
) -> None:
    assert convrnn("ff6_deeper", weights="untrained", **options).name == f"{name}@untrained-0"


def test_areas_of_shallow_networks_are_those_of_the_readme_anyway() -> None:
    assert convrnn("ff6", weights="untrained", areas="readme").name == "ff6@untrained-0"


@pytest.mark.parametrize(
    "wrong",
    [
        *({"steps": value} for value in (2.5, "x", 0, True)),
        *({"threshold": value} for value in (7, 0, "0.5", float("nan"))),
        *({"beta": value} for value in (0, -1, "x", True, float("inf"))),
    ],
)
def test_numbers_out_of_range(wrong: dict[str, Any]) -> None:
    ((option, value),) = wrong.items()
    with pytest.raises(InputError, match=re.escape(f"{option}={value!r}")) as caught:
        convrnn("ff6", weights="untrained", **wrong)
    assert "ff6" in caught.value.got
    assert f"{option}=" in caught.value.todo


@pytest.mark.parametrize(
    ("name", "steps", "named"),
    [
        ("ff6", 3, r"ff6 .*3 steps.* conv4, conv5, the read-out.* 6 steps"),
        ("convrnn_timedecay_shallow", 6, r"6 steps.* conv3, conv4, conv5 .* 7 steps"),
    ],
)
def test_a_model_of_too_few_steps_says_so_once_and_in_every_record(
    name: str, steps: int, named: str
) -> None:
    reporter = RecordedNotes()
    with progress.use(reporter), warnings.catch_warnings():
        warnings.simplefilter("error")
        model = convrnn(name, weights="untrained", steps=steps)
        model.activations(_pictures(), ["conv1"])
    (note,) = model.notes
    assert re.search(named, note)
    assert reporter.notes == [note]
    assert convrnn(name, weights="untrained").notes == ()


def test_a_graph_of_your_own() -> None:
    declared = small("rgc_median", feedback=True)
    reporter = RecordedNotes()
    with progress.use(reporter):
        model = convrnn(declared, steps=9)
    assert model.name == "small_rgc_median-t9@untrained-0"
    assert len(model.notes) == len(reporter.notes) == 1
    assert "small_rgc_median" in reporter.notes[0]
    assert model.areas["IT"] == model.areas["V1"] == ("conv1", "conv2", "conv3", "conv4")
    assert model.preprocess.size == (SIDE, SIDE)
    assert model.activations(_pictures(), ["conv4"], PULSE)["conv4"].shape == (4, 6 * 16, 9)
    with pytest.raises(InputError, match=r"small_rgc_median .*'imagenet'"):
        convrnn(declared, weights="imagenet")


def test_the_graph_in_the_documentation() -> None:
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    (block,) = (
        part for part in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "Graph(" in part
    )
    namespace: dict[str, Any] = {}
    exec(block, namespace)  # noqa: S102  # the documentation's own
    model = namespace["model"]
    assert model.name == "mine-t10@untrained-0"
    assert model.activations(_pictures(), ["conv3"])["conv3"].shape == (4, 64 * 14**2, 10)


def test_the_name_of_a_network_belongs_to_it() -> None:
    with pytest.raises(InputError, match="'ff6'"):
        convrnn(replace(small(None), name="ff6"))
    same = convrnn(graph("ff6"), weights="untrained")
    assert same.areas == convrnn("ff6", weights="untrained").areas
    with pytest.raises(UnknownNameError, match="'6'"):
        convrnn(6)  # type: ignore[arg-type]


def test_a_cell_that_leads_nowhere_needs_no_steps() -> None:
    layers = tuple(Layer(name=f"conv{n}", channels=2, cell=Cell(kind="gru")) for n in (1, 2, 3))
    arms = (("image", "conv1"), ("conv1", "conv2"), ("conv1", "conv3"))
    declared = Graph(name="arms", layers=layers, feedforward=arms)
    assert too_short(declared, 4, "layered") is None
    assert "conv1, conv3" in (too_short(declared, 3, "layered") or "")


def test_unavailable_weights_are_noted() -> None:
    name = "convrnn_timedecay_shallow"
    model = convrnn(name)
    assert model.weights == "untrained-0"
    assert "TensorFlow" in model.notes[0]
    with pytest.raises(InputError, match=f"{name} .*'imagenet'") as caught:
        convrnn(name, weights="imagenet")
    assert "TensorFlow" in caught.value.todo
    (note,) = convrnn("ff6").notes
    assert "TensorFlow" not in note
    for wrong in ("imagenet", "trained"):
        with pytest.raises(InputError, match=f"ff6 .*'{wrong}'") as caught:
            convrnn("ff6", weights=wrong)
        assert "TensorFlow" not in caught.value.todo


def test_seeded_weights_are_the_same_again_and_differ_between_seeds() -> None:
    assert same_weights(small_net("lstm", seed=0), small_net("lstm", seed=0))
    weights = [small_net("lstm", seed=s).state_dict() for s in (0, 1)]
    drawn = "conv2.cell.gates.input.weight"
    assert not torch.equal(weights[0][drawn], weights[1][drawn])


def test_seeded_weights_have_the_declared_standard_deviations() -> None:
    net = draw_weights(ConvRNN(graph("convrnn_gru_shallow")), seed=0)
    state = net.state_dict()
    assert float(state["conv3.conv.weight"].std()) == pytest.approx((128 * 9) ** -0.5, rel=0.01)
    for part in ("input", "state"):  # one kernel over both
        sd = float(state[f"conv4.cell.candidates.{part}.weight"].std())
        assert sd == pytest.approx((512 * 9) ** -0.5, rel=0.01)
    assert bool((state["conv4.cell.gates.input.bias"] == 1).all())
    assert float(state["imnetds.weight"].std()) == pytest.approx(0.01, rel=0.01)
    assert float(state["conv3.conv.weight"].abs().max()) < 2.28 * (128 * 9) ** -0.5  # truncated


def test_weights_from_a_file(tmp_path: Path) -> None:
    state = dict(ConvRNN(graph("ff6")).state_dict())
    path = tmp_path / "ff6.safetensors"
    checkpoints.write(state, path, about={})
    model = convrnn("ff6", weights=str(path))
    assert model.weights.startswith("file-")


def test_a_wrong_checkpoint_lists_what_is_missing_and_what_is_not_known(tmp_path: Path) -> None:
    state = dict(ConvRNN(graph("ff6")).state_dict())
    state["conv9.conv.weight"] = state.pop("conv5.conv.weight")
    state["conv2.conv.bias"] = torch.zeros(3)
    path = tmp_path / "wrong.safetensors"
    checkpoints.write(state, path, about={})
    with pytest.raises(InputError, match=re.escape(str(path))) as caught:
        convrnn("ff6", weights=str(path))
    for name in ("ff6", "conv5.conv.weight", "conv9.conv.weight", "conv2.conv.bias"):
        assert name in caught.value.got


def _arrays() -> dict[str, np.ndarray]:
    shapes = json.loads((Path(__file__).parents[1] / "oracle/data/convrnn_vars.json").read_text())[
        "timedecay_shallow"
    ]["vars"]
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def test_a_released_checkpoint_lists_what_is_missing_and_what_is_not_known() -> None:
    declared, arrays = graph("convrnn_timedecay_shallow"), _arrays()
    arrays["tnn_model/conv7/pre_0/bias"] = arrays.pop("tnn_model/conv5/pre_0/bias")
    with pytest.raises(InputError, match=declared.name) as caught:
        convert(arrays, declared)
    for layer in ("conv5", "conv7"):
        assert f"tnn_model/{layer}/pre_0/bias" in caught.value.got


def test_variables_of_optimizers_and_decoders_in_a_checkpoint_are_ignored() -> None:
    declared, arrays = graph("convrnn_timedecay_shallow"), _arrays()
    arrays["global_step"] = np.zeros(())
    arrays["tnn_model/conv1/pre_0/bias/Momentum"] = np.zeros(64)
    arrays["tnn_model/normalize/softmax_beta"] = np.ones(1)
    assert convert(arrays, declared).keys() == ConvRNN(declared).state_dict().keys()


def test_the_beta_of_a_checkpoint() -> None:
    arrays = {"x/weights": np.zeros(2), "x/softmax_beta/Momentum": np.ones(1)}
    assert softmax_beta(arrays) is None
    arrays["x/softmax_beta"] = np.array([2.5], np.float32)
    assert softmax_beta(arrays) == 2.5
    arrays["y/softmax_beta"] = np.array(1.0)
    with pytest.raises(InputError, match=r"2 .*x/softmax_beta, y/softmax_beta"):
        softmax_beta(arrays)


def test_a_memory_of_a_layer_without_a_cell_is_refused() -> None:
    declared, arrays = graph("convrnn_timedecay_shallow"), _arrays()
    arrays["tnn_model/conv1/memory_decay"] += 0.25
    with pytest.raises(InputError, match=r"conv1/memory_decay .*0\.25"):
        convert(arrays, declared)


def test_a_variable_with_other_axes_is_refused() -> None:
    declared, arrays = graph("convrnn_timedecay_shallow"), _arrays()
    arrays["tnn_model/conv1/pre_0/weights_basenet"] = np.zeros((7, 7, 3))
    with pytest.raises(InputError, match=r"weights_basenet .*\(7, 7, 3\)"):
        convert(arrays, declared)


def test_orders_of_axes() -> None:
    by_layout = {v.layout: v for v in variables(graph("convrnn_rgc_intermediate")) if v.keys}
    kernel = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    (moved,) = by_layout["kernel"].parts(kernel).values()
    assert moved.shape == (5, 4, 2, 3)
    assert moved[4, 2, 1, 0] == kernel[1, 0, 2, 4]
    depthwise = np.arange(2 * 3 * 4).reshape(2, 3, 4, 1)
    (moved,) = by_layout["depthwise"].parts(depthwise).values()
    assert moved.shape == (4, 1, 2, 3)
    assert moved[3, 0, 1, 2] == depthwise[1, 2, 3, 0]
    matrix = np.arange(6).reshape(2, 3)
    (moved,) = by_layout["matrix"].parts(matrix).values()
    assert moved.tolist() == matrix.T.tolist()


def test_the_diagram_of_a_network() -> None:
    drawn = diagram(small("rgc_median", feedback=True))
    assert drawn.nodes == ("image", "conv1", "conv2", "conv3", "conv4", "imnetds")
    assert ("image", "conv1") in drawn.feedforward
    assert ("conv4", "imnetds") in drawn.feedforward
    assert set(drawn.feedback) == {("conv4", "conv2"), ("conv3", "conv2")}
    assert set(drawn.recurrent or ()) == {"conv2", "conv3", "conv4"}


def test_the_digest_is_the_same_after_use_and_differs_between_options() -> None:
    model = _model(small_net("gru"))
    before = model.digest
    model.activations(_pictures(), ["conv2"], PULSE)
    assert model.digest == before == _model(small_net("gru")).digest
    others = [
        small_net("gru", steps=9),
        small_net("gru", unroll="full"),
        small_net("gru", decoder="max_conf"),
        small_net("gru", seed=1),
    ]
    assert len({before, *(_model(net).digest for net in others)}) == 5


def test_forward_leaves_nothing_in_the_network() -> None:
    net = small_net("lstm")

    def attributes() -> list[tuple[str, list[str]]]:
        return [(name, sorted(vars(module))) for name, module in net.named_modules()]

    before, state = attributes(), {k: v.clone() for k, v in net.state_dict().items()}
    with torch.inference_mode():
        net(normal_images(2))
    assert attributes() == before
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())


def test_a_figure_calls_cells_by_their_names() -> None:
    for name in ("convrnn_rgc_shallow", "convrnn_rgc_intermediate"):
        assert set((diagram(graph(name)).recurrent or {}).values()) == {"reciprocal gated"}
