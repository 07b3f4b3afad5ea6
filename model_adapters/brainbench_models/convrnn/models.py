"""ConvRNNs and their feed-forward controls as BrainModels.

One step is 10 ms, from the onset of the image. A pulse shows the image and then a blank that is 0.5 in the
space of normalized pixels, as the released networks were shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

from brainbench.core import progress
from brainbench.core.errors import InputError, unknown
from brainbench.core.model_info import About, Diagram
from brainbench.core.timeline import Timeline
from brainbench.models import checkpoints as checkpoint
from brainbench.models.preprocessing import imagenet
from brainbench.models.wrap import WrappedModel, wrap
from brainbench_models._weights import filled_from, seed_of
from brainbench_models.convrnn.decoders import Decoder
from brainbench_models.convrnn.graph import IMAGE, Graph, Unroll
from brainbench_models.convrnn.initializers import seeded
from brainbench_models.convrnn.networks import NAMES, RELEASED, graph
from brainbench_models.convrnn.schedule import NEURAL, STEP_MS
from brainbench_models.convrnn.unroll import ConvRNN, too_short

Areas = Literal["supplement", "readme"]

AREAS: Final[Mapping[tuple[str, bool], Mapping[str, tuple[str, ...]]]] = {
    ("supplement", True): {
        "V4": ("conv6",),
        "IT": ("conv7", "conv8"),
        "pIT": ("conv7",),
        "cIT": ("conv8",),
        "aIT": ("conv8",),
    },
    ("readme", True): {
        "V4": ("conv5", "conv6"),
        "IT": ("conv7", "conv8", "conv9", "conv10"),
        "pIT": ("conv7", "conv8"),
        "cIT": ("conv9", "conv10"),
        "aIT": ("conv9", "conv10"),
    },
    ("readme", False): {
        "V4": ("conv3",),
        "IT": ("conv4", "conv5"),
        "pIT": ("conv4",),
        "cIT": ("conv5",),
        "aIT": ("conv5",),
    },
}
"""Layers for regions: who says so, and for deep networks or not. Supplement 6.6 speaks of deep ones."""
CELL_WORDS: Final[Mapping[str, str]] = {
    "timedecay": "time decay",
    "basic": "simple recurrent",
    "lstm": "LSTM",
    "gru": "GRU",
    "ugrnn": "UGRNN",
    "intersection": "intersection RNN",
    "rgc": "reciprocal gated",
    "rgc_median": "reciprocal gated",
}
"""Kinds of cell as a figure calls them."""
PAPER: Final = "Nayebi et al. 2018, Task-driven convolutional recurrent models of the visual system"
_TENSORFLOW: Final = (
    "the released weights are TensorFlow checkpoints; docs/models.md says how to convert one"
)
_NONE_RELEASED: Final = "no weights were released"


def convrnn(
    network: str | Graph,
    *,
    weights: str = "auto",
    areas: Areas = "supplement",
    steps: int = NEURAL.steps,
    unroll: Unroll = "layered",
    decoder: Decoder = "last",
    beta: float = 1.0,
    threshold: float = 0.9,
) -> WrappedModel:
    """Make one of the networks of `networks.NAMES`, or of a declaration of one's own.

    Parameters
    ----------
    network : str or Graph
        "convrnn_rgc_intermediate", "ff6", ...; or a graph, which offers each of its layers to every region.
    weights : str
        "untrained" or "untrained-N", where N seeds the draw; "auto" is "untrained". Or the path of a
        .safetensors or .pth file, for example a converted release.
    areas : {"supplement", "readme"}
        Which layers stand for regions: as in supplement 6.6, or the pairs of the released README. For
        shallow networks only the latter says anything. V1 and V2 get no layer in either. Of no effect on a
        graph of one's own.
    steps : int
        How many steps of 10 ms the network runs; more where a presentation lasts longer.
    unroll : {"layered", "full"}
        One layer per step, or a whole feed-forward pass in each.
    decoder : {"last", "max_conf", "threshold"}
        At which step "behavior" is read. `beta`, `threshold`: see `decoders.decoded_step`.

    Options other than the defaults are part of the model's name where they have an effect.

    Raises
    ------
    InputError
        Weights that are none, or of another network: missing and surplus ones are listed. Numbers that are
        none. A graph that is not the network of its name.
    UnknownNameError
        A name, a decoder, an unrolling or areas that there are not.
    """
    declared = _declared(network)
    known = sorted({choice for choice, _ in AREAS})
    if areas not in known:
        raise unknown("areas", areas, known, todo="choose areas= from these")
    net = ConvRNN(
        declared, steps=steps, unroll=unroll, decoder=decoder, beta=beta, threshold=threshold
    )
    which = _fill(net, weights)
    model = wrap(
        net.eval(),
        layers=_areas(declared, areas),
        preprocess=imagenet(declared.size),
        timeline=clock(declared, steps=steps),
        name="-".join([declared.name, *_options(net, areas)]) + f"@{which}",
        weights=which,
        behavior="behavior",
        presentations=("constant", "pulse"),
        about=about(declared),
    )
    return replace(model, notes=tuple(_notes(net, weights)))


def _declared(network: str | Graph) -> Graph:
    if isinstance(network, Graph):
        if network.name in NAMES and network != graph(network.name):
            raise InputError(
                f"a graph called {network.name!r} that is not that network",
                allowed="a name of its own: the name is the identity",
                todo="give Graph(name=...) another one",
            )
        return network
    if not isinstance(network, str):
        raise InputError(
            f"a network of type {type(network).__name__}",
            allowed="a name, or a brainbench_models.convrnn.graph.Graph",
            todo="choose one of brainbench_models.convrnn.networks.NAMES, or declare a Graph",
        )
    return graph(network)


def _areas(declared: Graph, areas: Areas) -> Mapping[str, tuple[str, ...]] | list[str]:
    if declared.name not in NAMES:
        return [layer.name for layer in declared.layers]
    deep = _deep(declared)
    return AREAS[areas if deep else "readme", deep]


def _deep(declared: Graph) -> bool:
    return declared.nodes > 6


def _options(net: ConvRNN, areas: Areas) -> list[str]:
    """What of the options is part of the name: what is not the default and has an effect."""
    declared, decoder = net.graph, net.decoder
    chooses = declared.name in NAMES and _deep(declared)
    differing = {
        net.unroll: net.unroll != "layered",
        f"t{net.steps}": net.steps != NEURAL.steps,
        areas: chooses and areas != "supplement",
        decoder: decoder != "last",
        f"p{_short(net.threshold)}": decoder == "threshold" and net.threshold != 0.9,
        f"b{_short(net.beta)}": decoder != "last" and net.beta != 1,
    }
    return [text for text, differs in differing.items() if differs]


def _short(number: float) -> str:
    """All digits that tell it from another number, without ".0"."""
    return repr(float(number)).removesuffix(".0")


def _notes(net: ConvRNN, weights: str) -> Iterator[str]:
    """What whoever uses the network should know: they are told now, and records have it."""
    if weights == "auto":
        reason = _why_untrained(net.graph)
        progress.current().note(f"{net.graph.name}: {reason}; going on with untrained ones")
        yield reason
    short = too_short(net.graph, net.steps, net.unroll)
    if short is not None:
        progress.current().note(short)
        yield short


def _why_untrained(declared: Graph) -> str:
    return _TENSORFLOW if declared.name in RELEASED else _NONE_RELEASED


def clock(declared: Graph, *, steps: int) -> Timeline:
    """Steps of 10 ms from the onset of the image, for every layer and the read-out.

    A longer presentation takes further ones.
    """
    spans = [(STEP_MS * t, STEP_MS * (t + 1)) for t in range(steps)]
    layers = [*(layer.name for layer in declared.layers), declared.readout.name]
    return Timeline(
        name="convrnn",
        source="10 ms from layer to layer (Nayebi 2018, section 2)",
        steps=dict.fromkeys(layers, spans),
        further_ms=STEP_MS,
    )


def about(declared: Graph) -> About:
    """What `brainbench show` says of a network."""
    released = declared.name in RELEASED
    control = f"{PAPER}, supplement 6.1" if declared.name in NAMES else PAPER
    return About(
        citation=f"{PAPER}; networks as released with Nayebi et al. 2022, Neural Computation"
        if released
        else control,
        license="MIT, the code here; MIT, the release, by its setup.py" if released else "MIT",
        source="https://github.com/neuroailab/convrnns" if released else _NONE_RELEASED,
        depth=declared.depth,
        graph=diagram(declared),
    )


def diagram(declared: Graph) -> Diagram:
    """Layers, arrows and cells of a graph, for a figure."""
    readout = declared.readout
    shapes = {name: "x".join(map(str, shape)) for name, shape in declared.shapes.items()}
    return Diagram(
        nodes=(IMAGE, *(layer.name for layer in declared.layers), readout.name),
        feedforward=(*declared.feedforward, (declared.last, readout.name)),
        feedback=declared.feedback,
        recurrent={
            layer.name: CELL_WORDS[layer.cell.kind] for layer in declared.layers if layer.cell
        },
        captions={**shapes, readout.name: str(readout.classes)},
    )


def _fill(net: ConvRNN, weights: str) -> str:
    """Give a network its weights; which they are."""
    if weights == "imagenet":
        raise InputError(
            f"{net.graph.name} with weights 'imagenet'",
            allowed="untrained, untrained-N, or a file " + ", ".join(checkpoint.SUFFIXES[:3]),
            todo=f"{_TENSORFLOW}, then give its path with --weights"
            if net.graph.name in RELEASED
            else f"{_NONE_RELEASED}: leave weights away, or give a file of your own",
        )
    if weights.endswith(checkpoint.SUFFIXES):
        path = Path(weights).expanduser()
        return filled_from(path, net, model=net.graph.name)
    seed = seed_of("untrained" if weights == "auto" else weights, net.graph.name)
    seeded(net, seed=seed)
    return f"untrained-{seed}"


def __getattr__(name: str) -> Callable[..., WrappedModel]:
    """Each network as a function of its own name, for the registry."""
    if name in NAMES:
        return partial(convrnn, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
