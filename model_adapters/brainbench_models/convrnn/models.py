"""ConvRNNs and their feed-forward controls as BrainModels.

After a pulse the blank is 0.5 in normalized pixels, as the released networks were shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal

from brainbench.core import progress
from brainbench.core.errors import InputError, unknown
from brainbench.core.model_info import About, Diagram
from brainbench.core.timeline import Timeline
from brainbench.models.preprocessing import imagenet
from brainbench.models.wrap import WrappedModel, wrap
from brainbench_models._bundled_weights import bundled_names
from brainbench_models._options import check_option, is_whole_number
from brainbench_models._weights import (
    WeightedNetwork,
    allowed_weights,
    load_stored,
    note_untrained,
    parse_seed,
)
from brainbench_models.convrnn.decoders import Decoder
from brainbench_models.convrnn.graph import CELLS, IMAGE, Graph, Unroll
from brainbench_models.convrnn.initializers import draw_weights
from brainbench_models.convrnn.networks import NAMES, RELEASED, SMALL, SMALL_STEPS, graph
from brainbench_models.convrnn.schedule import NEURAL, STEP_MS
from brainbench_models.convrnn.spaces import searched_graph
from brainbench_models.convrnn.unroll import ConvRNN, too_short

Areas = Literal["supplement", "readme"]

_LAYERS: Final = {
    ("supplement", "deep"): {"V4": (6,), "IT": (7, 8), "pIT": (7,), "cIT": (8,), "aIT": (8,)},
    ("readme", "deep"): {
        "V4": (5, 6), "IT": (7, 8, 9, 10), "pIT": (7, 8), "cIT": (9, 10), "aIT": (9, 10),
    },
    ("readme", "shallow"): {"V4": (3,), "IT": (4, 5), "pIT": (4,), "cIT": (5,), "aIT": (5,)},
}  # fmt: skip
"""Numbers of the layers for each region. Supplement 6.6 covers deep networks only."""
PAPER: Final = "Nayebi et al. 2018, Task-driven convolutional recurrent models of the visual system"
_TENSORFLOW: Final = (
    "the released weights are TensorFlow checkpoints; docs/models.md says how to convert one"
)
VERSION: Final = "convrnn-1"
"""Raised when the responses of the same graph, options and weights change; a test holds it."""
_NONE_RELEASED: Final = "no weights were released"


def convrnn(
    network: str | Graph,
    *,
    weights: str = "auto",
    areas: Areas = "supplement",
    steps: int | None = None,
    unroll: Unroll = "layered",
    decoder: Decoder = "last",
    beta: float = 1.0,
    threshold: float = 0.9,
    size: int | None = None,
    classes: int | None = None,
) -> WrappedModel:
    """Make a model of one of the networks of `networks.NAMES`, or of your own declaration.

    A graph of your own offers each of its layers to every region. Options other than the defaults are
    part of the model's name if they have an effect. `weights` are "untrained-N", drawn from seed N;
    "untrained", which is "untrained-0", and so is "auto", with a note to the user; "cifar10-0", in the
    package, for the small networks; or the path of a .safetensors or .pth file, for example a converted
    release. `steps` are by default 26, and 7 for the small networks. `areas` says which layers stand for
    regions: as in supplement 6.6, or the pairs of the released README; only the latter covers shallow
    networks, and neither has a layer for V1 and V2. `size` is the side of the images and `classes` the
    number of logits, by default those of the declaration. The other options are those of `ConvRNN`.

    InputError for unknown weights, or those of another network (missing and surplus ones are listed);
    numbers out of range; a graph with the name of another network. UnknownNameError for other unknown
    names.
    """
    published = _declared(network)
    declared = _resized(published, size, classes)
    steps = usual_steps(declared) if steps is None else steps
    if areas not in ("readme", "supplement"):
        raise unknown("areas", areas, ("readme", "supplement"), todo="choose areas= from these")
    net = ConvRNN(
        declared, steps=steps, unroll=unroll, decoder=decoder, beta=beta, threshold=threshold
    )
    filled = _fill(net, weights)
    model = wrap(
        net.eval(),
        layers=_areas(declared, areas),
        preprocess=imagenet(declared.size),
        timeline=clock(declared, steps=steps),
        name="-".join([declared.name, *_options(net, areas, published)]) + f"@{filled.weights}",
        weights=filled.weights,
        behavior="behavior",
        presentations=("constant", "pulse", "movie"),
        frame_ms=STEP_MS,
        version=VERSION,
        about=_about(declared),
    )
    return replace(model, notes=(*filled.notes, *_notes(net, weights)))


def convrnn_searched(
    *,
    space: str = "convrnn_small_space",
    choices: Mapping[str, Any] | None = None,
    weights: str = "auto",
    classes: int | None = None,
) -> WrappedModel:
    """Make a model of a trial of an architecture search: the network of its choices.

    `space` is a search space of `spaces.SPACES`, and `choices` are what the trial chose, by name; by default
    those of the first random draw that is a network. Weights and classes are those of `convrnn`.

    UnknownNameError for a space that does not exist, InputError for choices that are absent or not allowed.
    """
    searched = searched_graph(space, choices)
    return convrnn(searched, steps=searched.steps, weights=weights, classes=classes)


def _declared(network: str | Graph) -> Graph:
    if isinstance(network, Graph):
        if network.name in NAMES and network != graph(network.name):
            raise InputError(
                f"a graph called {network.name!r} that is not that network",
                allowed="a name of its own: the name is the identity",
                todo="give Graph(name=...) another one",
            )
        return network
    return graph(network)


def _resized(declared: Graph, size: int | None, classes: int | None) -> Graph:
    """Return a network for images of another size, or with another number of classes."""
    for option, value in (("size", size), ("classes", classes)):
        valid = value is None or is_whole_number(value)
        check_option(
            option, value, declared.name, valid=valid, allowed="a whole number, at least 1"
        )
    readout = replace(declared.readout, classes=classes or declared.readout.classes)
    return replace(declared, readout=readout, size=size or declared.size)


def usual_steps(declared: Graph) -> int:
    """Return the number of steps where none is given."""
    return SMALL_STEPS if declared.name in SMALL else NEURAL.steps


def _areas(declared: Graph, areas: Areas) -> Mapping[str, tuple[str, ...]] | list[str]:
    if declared.name not in NAMES or declared.name in SMALL:
        return [layer.name for layer in declared.layers]
    table = _LAYERS[(areas, "deep") if _is_deep(declared) else ("readme", "shallow")]
    return {region: tuple(f"conv{n}" for n in numbers) for region, numbers in table.items()}


def _is_deep(declared: Graph) -> bool:
    return declared.nodes > 6


def _options(net: ConvRNN, areas: Areas, published: Graph) -> list[str]:
    """Return the options in the name: those that are not the default and have an effect."""
    declared, decoder = net.graph, net.decoder
    has_areas = declared.name in NAMES and _is_deep(declared)
    in_name = {
        net.unroll: net.unroll != "layered",
        f"t{net.steps}": net.steps != usual_steps(declared),
        areas: has_areas and areas != "supplement",
        decoder: decoder != "last",
        f"p{_digits(net.threshold)}": decoder == "threshold" and net.threshold != 0.9,
        f"b{_digits(net.beta)}": decoder != "last" and net.beta != 1,
        f"{declared.size}px": declared.size != published.size,
        f"{declared.readout.classes}classes": declared.readout != published.readout,
    }
    return [text for text, shown in in_name.items() if shown]


def _digits(number: float) -> str:
    """Return all digits that distinguish a number from others, without ".0"."""
    return repr(float(number)).removesuffix(".0")


def _notes(net: ConvRNN, weights: str) -> Iterator[str]:
    """Tell the user what to know about the network; yield the same for its records."""
    if weights == "auto":
        name = net.graph.name
        inside = ", ".join(f"{name}@{each}" for each in bundled_names(name))
        reason = _TENSORFLOW if name in RELEASED else _NONE_RELEASED
        reason = f"untrained by default; trained: {inside}" if inside else reason
        yield note_untrained(net.graph.name, reason)
    unused = too_short(net.graph, net.steps, net.unroll)
    if unused is not None:
        progress.current().note(unused)
        yield unused


def clock(declared: Graph, *, steps: int) -> Timeline:
    """Return steps of 10 ms from the onset of the image, and further ones for a longer presentation.

    Small networks hold their last step: they are not run for longer than they were trained.
    """
    spans = [(STEP_MS * t, STEP_MS * (t + 1)) for t in range(steps)]
    layers = [*(layer.name for layer in declared.layers), declared.readout.name]
    return Timeline(
        name="convrnn",
        source="10 ms from layer to layer (Nayebi 2018, section 2)",
        steps=dict.fromkeys(layers, spans),
        further_ms=STEP_MS,
        outside="hold" if declared.name in SMALL else "error",
    )


def _about(declared: Graph) -> About:
    released = declared.name in RELEASED
    citation = PAPER
    if released:
        citation += "; networks as released with Nayebi et al. 2022, Neural Computation"
    elif declared.name in SMALL:
        citation = f"ours, after {PAPER}"
    elif declared.name in NAMES:
        citation += ", supplement 6.1"
    return About(
        citation=citation,
        license="MIT, the code here; MIT, the release, by its setup.py" if released else "MIT",
        source="https://github.com/neuroailab/convrnns" if released else _source(declared),
        depth=declared.depth,
        graph=diagram(declared),
    )


def _source(declared: Graph) -> str:
    inside = ", ".join(f"@{name}" for name in bundled_names(declared.name))
    return f"{_NONE_RELEASED}; trained here, in the package: {inside}" if inside else _NONE_RELEASED


def diagram(declared: Graph) -> Diagram:
    """Return layers, arrows and cells of a graph, for a figure."""
    readout = declared.readout
    shapes = {name: "x".join(map(str, shape)) for name, shape in declared.shapes.items()}
    return Diagram(
        nodes=(IMAGE, *(layer.name for layer in declared.layers), readout.name),
        feedforward=(*declared.feedforward, (declared.last, readout.name)),
        feedback=declared.feedback,
        recurrent={
            layer.name: CELLS[layer.cell.kind][0] for layer in declared.layers if layer.cell
        },
        captions={**shapes, readout.name: str(readout.classes)},
    )


def _fill(net: ConvRNN, weights: str) -> WeightedNetwork[ConvRNN]:
    """Give a network its weights."""
    name = net.graph.name
    stored = load_stored(weights, net, model=name)
    if stored is not None:
        return stored
    if weights == "imagenet":
        raise InputError(
            f"{name} with weights 'imagenet'",
            allowed=allowed_weights(name),
            todo=f"{_TENSORFLOW}, then give its path with --weights"
            if name in RELEASED
            else f"{_NONE_RELEASED}: omit weights, or give a file of your own",
        )
    wanted = "untrained" if weights == "auto" else weights
    seed = parse_seed(wanted, name, trained=", ".join(bundled_names(name)) or "imagenet")
    draw_weights(net, seed=seed)
    return WeightedNetwork(net, f"untrained-{seed}")


def __getattr__(name: str) -> Callable[..., WrappedModel]:
    """Return each network as a function of its own name, for the registry."""
    if name in NAMES:
        return partial(convrnn, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
