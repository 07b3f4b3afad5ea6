"""Every benchmark: a declaration of about 25 lines, one file per study."""

REGIONS = ("V1", "V2", "V4", "IT")


def benchmarks() -> dict[str, str]:
    """Identifier of every benchmark -> where it is declared."""
    simulated = {
        f"Simulated.{region}-pls": f"brainbench_benchmarks.simulated:{region}_pls"
        for region in REGIONS
    }
    return simulated | {"Cowley2023.V4-pls": "brainbench_benchmarks.cowley2023:V4_pls"}


def composites() -> dict[str, str]:
    """Name of every composite -> where it is declared, in the order in which they are offered."""
    names = ("mean-v1", "mean-v1-static", "mission-v1")
    twins = [f"Simulated.{name}" for name in names]
    return {
        name: "brainbench_benchmarks.composite:" + name.lower().replace("-", "_").replace(".", "_")
        for name in (*names, *twins)
    }


def checks() -> dict[str, str]:
    """Name of every set of checks of `brainbench selftest` -> where they are declared."""
    return {"simulated brain": "brainbench_benchmarks.known_truth:CHECKS"}
