"""The bundled models: one file or folder for each family of networks."""

_CELLS = {
    "timedecay": "time-decay cells",
    "simplernn": "simple recurrent cells",
    "gru": "GRU cells",
    "lstm": "LSTM cells",
    "intersection": "intersection cells",
    "ugrnn": "UGRNN cells",
    "rgc": "reciprocal gated cells",
}
_CONVRNNS = {
    f"convrnn_{cell}_{depth}": f"{layers} layers, {kind}; untrained"
    for depth, layers in (("shallow", 6), ("intermediate", 11))
    for cell, kind in _CELLS.items()
}
_CONTROLS = {
    "convrnn_printed_shallow": "6 layers, gated cells as printed; untrained",
    "convrnn_median_nofeedback": "the median without feedback; untrained",
    "convrnn_random": "drawn from the search space; untrained",
    "convrnn_searched": "a trial of a search; untrained",
    "convrnn_small": "for 32 pixels, feedback; untrained, cifar10-0",
    "convrnn_small_nofeedback": "no feedback; untrained, cifar10-0",
    "ff_small_parameters": "as many parameters; untrained, cifar10-0",
    "ff_small_operations": "as many operations; untrained, cifar10-0",
    "ff6": "feed-forward, 6 layers; untrained",
    "ff6_wider": "feed-forward, 6 wider layers; untrained",
    "ff6_deeper": "feed-forward, 11 layers; untrained",
    "basenet18": "feed-forward, residual, 11 layers; untrained",
}
_RELEASED = "ImageNet, else untrained"
_NAMED = {
    "basenet": ("basenets", "static, 7 layers; untrained"),
    "cornet_circuit": ("cornet_circuit", "CORnet-S with another circuit; untrained"),
    "cornet_r": ("cornet_r", f"CORnet-R, 5 steps; {_RELEASED}"),
    "cornet_rt": ("cornet_r", f"CORnet-RT, 5 steps; {_RELEASED}"),
    "cornet_rt_small": ("cornet_r", "for 32 pixels; untrained, cifar10-0"),
    "cornet_s": ("cornet_s", f"CORnet-S, recurrent; {_RELEASED}"),
    "cornet_z": ("cornet_z", f"CORnet-Z, static; {_RELEASED}"),
    "efficientnet_lite0": ("efficientnet_lite", "16 blocks, static; ImageNet"),
    "efficientnet_lite1": ("efficientnet_lite", "21 blocks, static; ImageNet"),
    "efficientnet_lite2": ("efficientnet_lite", "21 blocks, static; ImageNet"),
    "gabor": ("gabor", "V1-like energy model; nothing learned"),
    "pixels": ("pixels", "the picture itself, a baseline"),
    "recurrent_v1": ("recurrent_v1.models", "V1, recurrent, to be fitted; untrained"),
    "simulated_maps": ("simulated", "all units of the simulated brain"),
    "simulated_population": ("simulated", "units that sites of the simulated brain read"),
    "simulated_readout": ("simulated", "its sites without noise: the upper bound"),
}


def models() -> dict[str, tuple[str, str]]:
    """Return name -> (function that makes the model, description with its default weights)."""
    convrnns = {
        name: (f"brainbench_models.convrnn.models:{name}", description)
        for name, description in (_CONVRNNS | _CONTROLS).items()
    }
    others = {
        name: (f"brainbench_models.{module}:{name}", description)
        for name, (module, description) in _NAMED.items()
    }
    return convrnns | others


def families() -> dict[str, tuple[str, str]]:
    """Return prefix of names, or suffix of files -> (function that makes such a model, description)."""
    return {
        "timm:": (
            "brainbench_models.timm_networks:timm_network",
            f"any network of timm; {_RELEASED}",
        ),
        "torchvision:": (
            "brainbench_models.torchvision_networks:torchvision_network",
            f"any of torchvision; {_RELEASED}",
        ),
        "hf:": (
            "brainbench_models.hf_networks:hf_network",
            "a vision model of the Hugging Face hub",
        ),
        ".onnx": ("brainbench_models.onnx_file:onnx_network", "the network in an ONNX file"),
        ".safetensors": (
            "brainbench_models.model_files:model_of_file",
            "a network fitted or trained by brainbench",
        ),
    }


def fitters() -> dict[str, tuple[str, str]]:
    """Return name -> (what fits networks of a family to recordings, description)."""
    return {
        "recurrent_v1": (
            "brainbench_models.recurrent_v1.fitter:FITTER",
            "feed-forward, recurrent and multi-path models of V1",
        )
    }


def spaces() -> dict[str, tuple[str, str]]:
    """Return name -> (space of an architecture search, description)."""
    return {
        "convrnn_space": (
            "brainbench_models.convrnn.spaces:FULL",
            "cells and feedback of Nayebi 2018, 128 pixels",
        ),
        "convrnn_small_space": (
            "brainbench_models.convrnn.spaces:SMALL",
            "the same on a small backbone, 32 pixels",
        ),
    }
