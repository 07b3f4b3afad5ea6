"""Names of models as people write them: "cornet_s@imagenet" is CORnet-S."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from brainbench.core.score import are_untrained
from brainbench.core.untrusted_text import visible

_LETTERS = 40
_WHOLE = {
    "pixels": "Pixels",
    "gabor": "Gabor",
    "basenet": "BaseNet",
    "basenet18": "BaseNet-18",
    "simulated_maps": "Simulated brain, all units",
    "simulated_population": "Simulated brain, units",
    "simulated_readout": "Simulated brain, no noise",
    "alexnet": "AlexNet",
    "googlenet": "GoogLeNet",
    "ff6": "FF-6",
    "ff6_wider": "FF-6, wider",
    "ff6_deeper": "FF-6, deeper",
}
_CELLS = {
    "timedecay": "time decay",
    "simplernn": "simple RNN",
    "gru": "GRU",
    "lstm": "LSTM",
    "intersection": "IntersectionRNN",
    "ugrnn": "UGRNN",
    "rgc": "RGC",
}
_FAMILIES: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"cornet_(rt|r|s|z)", lambda m: f"CORnet-{m[1].upper()}"),
    (r"efficientnet_lite(\d)", lambda m: f"EfficientNet-Lite{m[1]}"),
    (r"efficientnet_(b\d|v2_\w)", lambda m: f"EfficientNet-{m[1].upper().replace('_', '-')}"),
    (r"(wide_)?resnet(\d+)(?:_2)?", lambda m: f"{'Wide ' if m[1] else ''}ResNet-{m[2]}"),
    (r"resnext(\d+)_(\d+x\d+)d", lambda m: f"ResNeXt-{m[1]} {m[2]}d"),
    (r"densenet(\d+)", lambda m: f"DenseNet-{m[1]}"),
    (r"vgg(\d+)(_bn)?", lambda m: f"VGG-{m[1]}{', BN' if m[2] else ''}"),
    (r"squeezenet(\d)_(\d)", lambda m: f"SqueezeNet {m[1]}.{m[2]}"),
    (r"mobilenet_?v(\d)(?:_(\w+))?", lambda m: f"MobileNet-V{m[1]}{f' ({m[2]})' if m[2] else ''}"),
    (r"inception_v(\d)", lambda m: f"Inception-V{m[1]}"),
    (r"vit_(tiny|small|base|large|huge)_patch(\d+)_\d+", lambda m: f"ViT-{m[1][0].upper()}/{m[2]}"),
    (r"vit_([bslht])_(\d+)", lambda m: f"ViT-{m[1].upper()}/{m[2]}"),
    (r"convnext_(\w+)", lambda m: f"ConvNeXt-{m[1].capitalize()}"),
    (
        r"convrnn_([a-z]+)_(shallow|intermediate)",
        lambda m: f"ConvRNN {_CELLS.get(m[1], m[1])}, {m[2]}",
    ),
)


def display_name(model: str) -> str:
    """Return a model's name as people write it, untrained and other weights marked.

    Trained on ImageNet is what a name means without a remark. A name that is not known stays as it is, but a
    long one loses its middle. Control characters are written out.

    Examples
    --------
    >>> [display_name(name) for name in ("cornet_s@imagenet", "cornet_s@untrained-3", "timm:resnet18")]
    ['CORnet-S', 'CORnet-S (untrained, seed 3)', 'ResNet-18']
    """
    name, _, weights = model.partition("@")
    weights, _, precision = weights.partition("+")
    if not weights:
        name, _, precision = name.partition("+")
    remarks = [] if weights in ("", "imagenet", "none") else [_weights(weights)]
    remarks += [precision] if precision else []
    return _shortened(_spelled(name) + (f" ({', '.join(remarks)})" if remarks else ""))


def _shortened(name: str) -> str:
    """Return a name that leaves room for a figure, its control characters written out."""
    shown = visible(name, keep="")
    return shown if len(shown) <= _LETTERS else f"{shown[: _LETTERS - 16]}…{shown[-15:]}"


def _weights(weights: str) -> str:
    if not are_untrained(weights):
        return weights
    seed = weights.partition("-")[2]
    return "untrained" if seed in ("", "0") else f"untrained, seed {seed}"


def _spelled(name: str) -> str:
    own = name.rpartition(":")[2] if re.match(r"(timm|torchvision|hf):", name) else name
    own = own.partition(".")[0] if name.startswith("timm:") else own
    if own in _WHOLE:
        return _WHOLE[own]
    for pattern, spell in _FAMILIES:
        match = re.fullmatch(pattern, own)
        if match is not None:
            return spell(match)
    return own


def display_names(models: Iterable[str]) -> dict[str, str]:
    """Return the display name of each model; those that would be alike stay as they are."""
    unique = list(dict.fromkeys(models))
    spelled = [display_name(model) for model in unique]
    return {
        model: _shortened(model) if spelled.count(name) > 1 else name
        for model, name in zip(unique, spelled, strict=True)
    }
