"""Every benchmark: a declaration of about 25 lines, one file per study."""

REGIONS = ("V1", "V2", "V4", "IT")


def benchmarks() -> dict[str, str]:
    """Identifier of every benchmark -> where it is declared."""
    return {
        f"Simulated.{region}-pls": f"brainbench_benchmarks.simulated:{region}_pls"
        for region in REGIONS
    }
