"""Every benchmark: a declaration of about 25 lines, one file per study."""

REGIONS = ("V1", "V2", "V4", "IT")


def benchmarks() -> dict[str, str]:
    """Identifier of every benchmark -> where it is declared."""
    simulated = {
        f"Simulated.{region}-pls": f"brainbench_benchmarks.simulated:{region}_pls"
        for region in REGIONS
    }
    explained = {
        f"Simulated.{region}-ccnorm2": f"brainbench_benchmarks.simulated_ccnorm:{region}_ccnorm2"
        for region in ("V1", "V2")
    }
    dynamics = {
        f"Simulated.{region}-dynamics": f"brainbench_benchmarks.simulated_dynamics:{region}_dynamics"
        for region in ("V4", "IT")
    }
    solving = {"Simulated.IT-ost": "brainbench_benchmarks.simulated_ost:IT_ost"}
    cowley = {
        f"Cowley2023.V4-{measure}": f"brainbench_benchmarks.cowley2023:V4_{measure}"
        for measure in ("pls", "ccnorm2", "ridge")
    }
    behavior = {
        "Simulated.behavior-i2n": "brainbench_benchmarks.simulated_behavior:i2n",
        "Geirhos2019.cueconflict-choices": "brainbench_benchmarks.geirhos2019:cueconflict_choices",
    }
    similarity = {
        f"Simulated.IT-{measure}": f"brainbench_benchmarks.simulated_similarity:IT_{measure}"
        for measure in ("rsa", "cka")
    }
    similarity["Kriegeskorte2008.IT-rsa"] = "brainbench_benchmarks.kriegeskorte2008:IT_rsa"
    return simulated | behavior | dynamics | explained | solving | cowley | similarity


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
