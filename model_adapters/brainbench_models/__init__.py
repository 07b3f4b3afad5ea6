"""Every named network: a `wrap` call with its clock, one file per family."""

_CONVRNNS = [
    f"convrnn_{cell}_{depth}"
    for depth in ("shallow", "intermediate")
    for cell in ("timedecay", "simplernn", "gru", "lstm", "intersection", "ugrnn", "rgc")
]
_CONTROLS = ["ff6", "ff6_wider", "ff6_deeper", "basenet18"]


def models() -> dict[str, str]:
    """Name of every model -> the function that makes it."""
    return {
        **{name: f"brainbench_models.convrnn.models:{name}" for name in _CONVRNNS + _CONTROLS},
        "basenet": "brainbench_models.basenets:basenet",
        "cornet_r": "brainbench_models.cornet_r:cornet_r",
        "cornet_rt": "brainbench_models.cornet_r:cornet_rt",
        "cornet_s": "brainbench_models.cornet:cornet_s",
        "cornet_z": "brainbench_models.cornet_z:cornet_z",
        "efficientnet_lite0": "brainbench_models.efficientnet_lite:efficientnet_lite0",
        "efficientnet_lite1": "brainbench_models.efficientnet_lite:efficientnet_lite1",
        "efficientnet_lite2": "brainbench_models.efficientnet_lite:efficientnet_lite2",
        "gabor": "brainbench_models.gabor:gabor",
        "pixels": "brainbench_models.pixels:pixels",
        "simulated_maps": "brainbench_models.simulated:simulated_maps",
        "simulated_population": "brainbench_models.simulated:simulated_population",
        "simulated_readout": "brainbench_models.simulated:simulated_readout",
    }


def families() -> dict[str, str]:
    """Beginning of a name, or end of a file's, -> the function that makes any such model."""
    return {
        "timm:": "brainbench_models.timm_networks:timm_network",
        ".onnx": "brainbench_models.onnx_file:onnx_network",
    }
