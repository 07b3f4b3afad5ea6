"""ConvRNNs and their feed-forward controls as BrainModels.

One step is 10 ms, from the onset of the image. A pulse shows the image and then a blank that is 0.5 in the
space of normalised pixels, as the released networks were shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

from brainbench import progress
from brainbench.about import About, Diagram
from brainbench.errors import InputError, unknown
from brainbench.extract import checkpoint
from brainbench.extract.preprocess import IMAGENET_224
from brainbench.extract.wrap import WrappedModel, wrap
from brainbench.timeline import Timeline
from brainbench_models._weights import filled_from, seed_of
from brainbench_models.convrnn.decoders import Decoder
from brainbench_models.convrnn.graph import IMAGE, Graph, Unroll
from brainbench_models.convrnn.initial import seeded
from brainbench_models.convrnn.networks import NAMES, graph
from brainbench_models.convrnn.showing import NEURAL, STEP_MS
from brainbench_models.convrnn.unroll import ConvRNN

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
_NO_TRAINED: Final = (
    "the released weights are TensorFlow checkpoints; docs/models.md says how to convert one"
)


def convrnn(
    name: str,
    *,
    weights: str = "auto",
    areas: Areas = "supplement",
    steps: int = NEURAL.steps,
    unroll: Unroll = "layered",
    decoder: Decoder = "last",
    beta: float = 1.0,
    threshold: float = 0.9,
) -> WrappedModel:
    """Make one of the networks of `networks.NAMES`.

    Parameters
    ----------
    name : str
        "convrnn_rgc_intermediate", "ff6", ...
    weights : str
        "untrained" or "untrained-N", where N seeds the draw; "auto" is "untrained". Or the path of a
        .safetensors or .pth file, for example a converted release.
    areas : {"supplement", "readme"}
        Which layers stand for regions: as in supplement 6.6, or the pairs of the released README. For
        shallow networks only the latter says anything. V1 and V2 get no layer in either.
    steps : int
        How many steps of 10 ms the network runs.
    unroll : {"layered", "full"}
        One layer per step, or a whole feed-forward pass in each.
    decoder : {"last", "max_conf", "threshold"}
        At which step "behaviour" is read. `beta`, `threshold`: see `decoders.decoded_step`.

    Raises
    ------
    InputError
        Weights that are none, or of another network: missing and surplus ones are listed.
    UnknownNameError
        A name, a decoder, an unrolling or areas that there are not.
    """
    declared = graph(name)
    known = sorted({choice for choice, _ in AREAS})
    if areas not in known:
        raise unknown("areas", areas, known, todo="choose areas= from these")
    net = ConvRNN(
        declared, steps=steps, unroll=unroll, decoder=decoder, beta=beta, threshold=threshold
    )
    which = _fill(net, weights)
    deep = declared.nodes > 6
    options: list[str] = [] if unroll == "layered" else [unroll]
    options += [] if steps == NEURAL.steps else [f"t{steps}"]
    options += [] if decoder == "last" else [decoder]
    model = wrap(
        net.eval(),
        layers=AREAS[areas if deep else "readme", deep],
        preprocess=IMAGENET_224,
        timeline=clock(declared, steps=steps),
        name="-".join([name, *options]) + f"@{which}",
        weights=which,
        behaviour="behaviour",
        presentations=("constant", "pulse"),
        about=about(declared),
    )
    if weights != "auto":
        return model
    progress.current().note(f"{name}: {_NO_TRAINED}; going on with untrained ones")
    return replace(model, notes=(_NO_TRAINED,))


def clock(declared: Graph, *, steps: int) -> Timeline:
    """Steps of 10 ms from the onset of the image, for every layer and the read-out."""
    spans = [(STEP_MS * t, STEP_MS * (t + 1)) for t in range(steps)]
    layers = [*(layer.name for layer in declared.layers), declared.readout.name]
    return Timeline(
        name="convrnn",
        source="10 ms from layer to layer (Nayebi 2018, section 2)",
        steps=dict.fromkeys(layers, spans),
    )


def about(declared: Graph) -> About:
    """What `brainbench show` says of a network."""
    released = declared.name.startswith("convrnn_")
    return About(
        citation=f"{PAPER}; networks as released with Nayebi et al. 2022, Neural Computation"
        if released
        else f"{PAPER}, supplement 6.1",
        licence="MIT, the code here; MIT, the release, by its setup.py" if released else "MIT",
        source="https://github.com/neuroailab/convrnns" if released else "no weights were released",
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
            todo=_NO_TRAINED + ", then give its path with --weights",
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
