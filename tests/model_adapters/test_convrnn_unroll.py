"""ConvRNNs over time: when the image reaches a layer, movies, decoders, wrong input."""

from __future__ import annotations

import itertools
import re
import warnings

import pytest
import torch
from convrnns import KINDS, SIDE, normal_images, small, small_net
from steps import steps_of
from torch import Tensor

from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.presentation import Presentation
from brainbench_models.convrnn.cells import GATE, MedianReciprocalGated
from brainbench_models.convrnn.decoders import decoded_step
from brainbench_models.convrnn.graph import Cell, Graph, Layer
from brainbench_models.convrnn.networks import graph
from brainbench_models.convrnn.same_padding import SameConv2d, max_pool, resize
from brainbench_models.convrnn.schedule import BLANK, NEURAL, T22, T30, Schedule
from brainbench_models.convrnn.unroll import ConvRNN, UnrollingWarning

LAYERS = ("conv1", "conv2", "conv3", "conv4", "imnetds")


def _steps(net: ConvRNN, images: Tensor, shown: Schedule | None = None) -> dict[str, Tensor]:
    """Layer -> (step, batch, ...)."""
    _, steps = steps_of(net, LAYERS, images, shown)
    return {layer: torch.stack(outputs) for layer, outputs in steps.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_the_image_reaches_a_layer_at_its_step_and_not_before(kind: str) -> None:
    steps = _steps(small_net(kind), normal_images())
    for index, layer in enumerate(LAYERS):
        alike = [bool(torch.equal(step[0], step[1])) for step in steps[layer]]
        assert alike == [True] * index + [False] * (8 - index)


@pytest.mark.parametrize("name", LAYERS)
def test_a_feedforward_network_is_a_square_wave_with_the_delay_of_its_layer(name: str) -> None:
    """The control of Nayebi 2018: the time course of its input, later by 10 ms per layer."""
    on, index = 3, LAYERS.index(name)
    wave = _steps(small_net(None, steps=10), normal_images(), Schedule(steps=10, on=on))[name]
    before, during, after = wave[:index], wave[index : index + on], wave[index + on :]
    assert len({tuple(step.flatten().tolist()) for step in during}) == 1
    assert len({tuple(step.flatten().tolist()) for step in after}) == 1
    assert not torch.equal(during[0], after[0])
    assert all(torch.equal(step[0], step[1]) for step in (*before, *after))  # no image in it
    assert not torch.equal(during[0][0], during[0][1])


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "timedecay"])
def test_a_recurrent_network_is_not_a_square_wave(kind: str) -> None:
    wave = _steps(small_net(kind), normal_images(), Schedule(steps=8, on=3))["conv2"]
    assert not torch.allclose(wave[1], wave[2], atol=1e-6)
    assert not torch.allclose(wave[4], wave[5], atol=1e-6)
    assert not torch.equal(wave[5][0], wave[5][1])  # the image is gone, its trace is not


def test_time_decay_keeps_a_share_of_the_past() -> None:
    net = small_net("timedecay")
    with torch.no_grad():
        net.conv2.cell.decay.fill_(0.5)  # type: ignore[union-attr, operator]
    wave = _steps(net, normal_images())["conv2"]
    assert torch.allclose(wave[3] - wave[2], 0.5 * (wave[2] - wave[1]), atol=1e-5)


@pytest.mark.parametrize("kind", [*KINDS, None])
@pytest.mark.parametrize("unroll", ["layered", "full"])
def test_nothing_is_lost_by_sharing_what_is_constant(kind: str | None, unroll: str) -> None:
    """A movie of equal frames shares nothing: no tensor comes twice, and none is a batch of one."""
    net, images = small_net(kind, unroll=unroll), normal_images()
    blank = torch.full_like(images, BLANK)
    movie = torch.stack([images] * 3 + [blank] * 5, 1)
    shared, each = _steps(net, images, Schedule(steps=8, on=3)), _steps(net, movie)
    for layer in LAYERS:
        assert torch.allclose(shared[layer], each[layer], atol=1e-5)


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_layered_and_full_passes_agree_once_everything_has_settled(kind: str | None) -> None:
    """Without a cell at once; the delay is all that differs."""
    images = normal_images()
    layered = _steps(small_net(kind), images)
    full = _steps(small_net(kind, unroll="full"), images)
    assert torch.allclose(layered["conv1"], full["conv1"])
    alike = [bool(torch.equal(step[0], step[1])) for step in full["imnetds"]]
    assert alike == [False] * 8  # in the first step already
    if kind is None:
        assert torch.allclose(layered["imnetds"][-1], full["imnetds"][0], atol=1e-6)


def test_feedback_arrives_one_step_after_it_left() -> None:
    """Layer 4 has the image at step 3; what it sends is in layer 2 at step 4, in full passes at step 1."""
    images = normal_images()
    for unroll, arrival in (("layered", 4), ("full", 1)):
        net = small_net("rgc_median", unroll=unroll)
        plain = _steps(net, images)["conv2"]
        with torch.no_grad():
            net.conv2.cell.feedback_to_out.weight[:, 6:] += 1.0  # type: ignore[union-attr, index]
        fed = _steps(net, images)["conv2"]
        image_driven = [
            not torch.allclose((a - b)[0], (a - b)[1], atol=1e-6)
            for a, b in zip(plain, fed, strict=True)
        ]
        assert image_driven.index(True) == arrival


def test_feedback_is_resized_to_the_input_and_joined_by_name() -> None:
    """The 1 x 1 convolution goes before the resizing here: the same as after joining at full size."""
    cell = small_net("rgc_median").conv2.cell
    assert isinstance(cell, MedianReciprocalGated)
    assert cell.feedback_to_out is not None
    feedback = (torch.randn(2, 6, 4, 4), torch.randn(2, 6, 4, 4))
    to_cell, to_out = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    state = (torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8))
    joined = torch.cat([resize(z, (8, 8)) for z in feedback], 1)
    with torch.no_grad():
        added = to_out + GATE * cell.feedback_to_out(joined)
        expected, _ = cell((to_cell, added), state)
        output, _ = cell((to_cell, to_out), state, feedback)
    assert torch.allclose(output, expected, atol=1e-5)


def test_a_movie_is_read_frame_by_frame() -> None:
    net = small_net("gru")
    frames = [normal_images(seed=s) for s in range(8)]
    movie = torch.stack(frames, 1)
    steps = _steps(net, movie)["conv1"]
    for t, frame in enumerate(frames):
        assert torch.allclose(
            steps[t], _steps(net, frame, Schedule(steps=8))["conv1"][0], atol=1e-6
        )


def test_the_behavior_is_read_at_the_decoded_step() -> None:
    images = normal_images()
    for decoder in ("last", "max_conf", "threshold"):
        net = small_net("gru", decoder=decoder, threshold=0.21)
        logits, steps = steps_of(net, ["behavior"], images)
        (features,) = steps["behavior"]
        assert features.shape == (3, 6)
        with torch.no_grad():
            again = torch.nn.functional.linear(features, net.imnetds.weight, net.imnetds.bias)  # type: ignore[arg-type]
        assert torch.allclose(again, logits, atol=1e-6)


def test_decoders() -> None:
    steps = torch.tensor([[9.0, 0.0], [0.0, 0.0], [2.0, 0.0], [4.0, 0.0], [1.0, 0.0]])[None]
    assert decoded_step(steps).tolist() == [4]
    assert decoded_step(steps, "max_conf").tolist() == [0]
    assert decoded_step(steps, "max_conf", start=1).tolist() == [3]
    assert decoded_step(steps, "threshold", start=1, threshold=0.85).tolist() == [2]
    # Never reached: the most probable step.
    assert decoded_step(steps, "threshold", start=1, threshold=0.999).tolist() == [3]
    assert decoded_step(steps, "threshold", start=1, beta=9.0).tolist() == [2]
    assert decoded_step(steps, "max_conf", start=99).tolist() == [4]
    with pytest.raises(UnknownNameError, match="'first'"):
        decoded_step(steps, "first")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (Presentation(), Schedule(steps=26)),
        (Presentation(kind="pulse", on_ms=100, total_ms=250), NEURAL),
        (Presentation(kind="pulse", on_ms=104), NEURAL),
        (Presentation(kind="pulse", on_ms=95), NEURAL),
        (Presentation(kind="pulse", on_ms=5), Schedule(steps=26, on=1)),
        (Presentation(total_ms=260), Schedule(steps=26)),
        (Presentation(total_ms=261), Schedule(steps=27)),
        (Presentation(kind="pulse", on_ms=200, total_ms=300), Schedule(steps=30, on=20)),
    ],
)
def test_presentations_in_steps(shown: Presentation, expected: Schedule) -> None:
    assert Schedule.of(shown, steps=26) == expected


@pytest.mark.parametrize(
    ("shown", "named"),
    [(Presentation(kind="pulse", on_ms=4), "4 ms.* 10 ms"), (Presentation(kind="movie"), "movie")],
)
def test_presentations_that_do_not_fit(shown: Presentation, named: str) -> None:
    with pytest.raises(InputError, match=named):
        Schedule.of(shown, steps=26)


@pytest.mark.parametrize(("steps", "on"), [(0, None), (3, 0)])
def test_schedules_without_a_step_or_an_image(steps: int, on: int | None) -> None:
    with pytest.raises(InputError, match=f"{steps} steps, {on} "):
        Schedule(steps=steps, on=on)


@pytest.mark.parametrize(
    "shape",
    [
        *((2, 3, 8, 8), (2, 1, 16, 16), (3, 16, 16), (2, 4, 1, 16, 16)),
        *((0, 3, 16, 16), (2, 0, 3, 16, 16), (0, 4, 3, 16, 16)),
    ],
)
def test_images_of_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=re.escape(str(shape))) as caught:
        small_net(None)(torch.zeros(shape))
    assert "(batch, 3, 16, 16)" in caught.value.allowed


def test_schedules_of_training() -> None:
    assert Schedule.trained(graph("convrnn_rgc_intermediate")) == Schedule(steps=17, on=12)
    assert Schedule.trained(graph("ff6")) == Schedule(steps=16, on=12)
    assert (T22.frames(normal_images())[21] == normal_images()).all()
    assert (len(T22.frames(normal_images())), len(T30.frames(normal_images()))) == (22, 30)


def test_a_movie_with_a_presentation() -> None:
    with pytest.raises(InputError, match=r"\(2, 4, 3, 16, 16\).*presentation"):
        small_net(None)(torch.zeros(2, 4, 3, 16, 16), Presentation())


@pytest.mark.parametrize(("option", "value"), [("unroll", "both"), ("decoder", "first")])
def test_options_that_do_not_exist(option: str, value: str) -> None:
    with pytest.raises(UnknownNameError, match=value):
        ConvRNN(small(None), **{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("steps", "named"), [(5, "conv2, conv3, conv4 .* 6 steps"), (4, "read-out .* conv2")]
)
def test_too_few_steps_are_a_warning_that_names_what_is_never_reached(
    steps: int, named: str
) -> None:
    with pytest.warns(UnrollingWarning, match=named) as caught:
        small_net("gru", steps=steps)(normal_images())
    assert caught[0].filename == __file__  # where the network is called, not inside torch
    net = small_net("gru")
    net.register_forward_hook(lambda *_: None)
    with pytest.warns(UnrollingWarning, match=named) as caught:
        net(normal_images(), Schedule(steps=steps))
    assert caught[0].filename == __file__


def test_as_many_steps_as_needed_give_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small_net("gru", steps=6)(normal_images())


def _recurrent_weights(net: ConvRNN) -> dict[str, torch.nn.Parameter]:
    words = ("state", "decay", "cell_tau", "cell_gate", "out_tau", "out_gate", "peephole")
    return {
        name: parameter
        for name, parameter in net.named_parameters()
        if ".cell." in name and any(word in name for word in words) and "bias" not in name
    }


def _without_gradient(kind: str, steps: int) -> set[str]:
    """Recurrent weights that the difference between two images' logits does not depend on."""
    net = small_net(kind, steps=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnrollingWarning)
        logits = net(normal_images())
    (logits[0] - logits[1]).square().sum().backward()
    weights = _recurrent_weights(net).items()
    return {name for name, p in weights if p.grad is None or not bool(p.grad.abs().max() > 0)}


@pytest.mark.parametrize("kind", KINDS)
def test_minimal_steps_are_those_from_which_recurrent_weights_have_a_gradient(kind: str) -> None:
    least = small(kind, feedback=kind == "rgc_median").minimal_steps()
    assert least == 6
    # What makes the memory c of the reciprocal gated cells reaches their output one step later.
    later = {n for n in _recurrent_weights(small_net(kind)) if "cell_" in n}
    assert _without_gradient(kind, least - 1) == set(_recurrent_weights(small_net(kind)))
    assert _without_gradient(kind, least) == later
    assert _without_gradient(kind, least + 1) == set()


def test_same_convolution_equals_an_explicit_padding() -> None:
    conv = SameConv2d(2, 3, 4, stride=1)
    x = torch.randn(1, 2, 7, 7)
    by_hand = torch.nn.functional.conv2d(
        torch.nn.functional.pad(x, (1, 2, 1, 2)), conv.weight, conv.bias
    )
    assert torch.allclose(conv(x), by_hand, atol=1e-6)


def test_pooling_of_an_odd_side_ends_in_half_a_window() -> None:
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert max_pool(x).tolist() == [[[[4.0, 5.0], [7.0, 8.0]]]]


def test_resizing_puts_corners_on_corners() -> None:
    x = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    assert resize(x, (3, 3)).tolist() == [[[[0.0, 0.5, 1.0], [1.0, 1.5, 2.0], [2.0, 2.5, 3.0]]]]


def test_two_presentations_of_one_network_leave_nothing_behind() -> None:
    net, images = small_net("lstm"), normal_images()
    first = net(images)
    net(images, Schedule(steps=8, on=2))
    assert torch.equal(net(images), first)


def test_layers_may_branch() -> None:
    layers = (
        Layer(name="conv1", channels=2),
        Layer(name="side", channels=2),
        Layer(name="conv2", channels=2, cell=Cell(kind="gru")),
    )
    arrows = (("image", "conv1"), ("conv1", "side"), ("conv1", "conv2"))
    branched = Graph(name="b", layers=layers, feedforward=arrows, size=SIDE)
    net = ConvRNN(branched, steps=6).eval()
    assert net(normal_images()).shape == (3, 1000)
    assert branched.first_driven() == {"conv1": 0, "side": 1, "conv2": 1, "imnetds": 2}


def test_networks_that_are_alike_but_for_their_cells_have_the_same_backbone() -> None:
    def backbone(name: str) -> list[tuple[object, ...]]:
        return [(x.name, x.channels, x.kernel, x.pool) for x in graph(name).layers]

    shallow = [backbone(f"convrnn_{k}_shallow") for k in ("timedecay", "gru", "rgc")]
    assert all(a == b for a, b in itertools.pairwise([*shallow, backbone("ff6")]))
    deep = [backbone(f"convrnn_{k}_intermediate") for k in ("timedecay", "lstm", "ugrnn")]
    assert all(a == b for a, b in itertools.pairwise([*deep, backbone("basenet18")]))
