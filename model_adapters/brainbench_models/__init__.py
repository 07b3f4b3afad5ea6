"""Every named network: a `wrap` call with its clock, one file per family."""


def models() -> dict[str, str]:
    """Name of every model -> the function that makes it."""
    return {
        "cornet_s": "brainbench_models.cornet:cornet_s",
        "pixels": "brainbench_models.pixels:pixels",
        "simulated_maps": "brainbench_models.simulated:simulated_maps",
        "simulated_population": "brainbench_models.simulated:simulated_population",
        "simulated_readout": "brainbench_models.simulated:simulated_readout",
    }
