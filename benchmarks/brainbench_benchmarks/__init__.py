"""Every benchmark: a declaration of about 25 lines, one file per study."""

SIMULATED = {
    "pls": ("V1", "V2", "V4", "IT"),
    "i2n": ("behavior",),
    "dynamics": ("V4", "IT"),
    "ccnorm2": ("V1", "V2"),
    "ccnorm": ("V1",),
    "ost": ("IT",),
    "rsa": ("IT",),
    "cka": ("IT",),
}
"""Regions of the simulated brain that each measure is declared on."""
RECORDED = {
    "majajhong2015": {
        study: [
            f"{region}-{measure}"
            for region in ("V4", "IT")
            for measure in ("pls", "ridge", "rsa", "cka", "dynamics")
        ]
        for study in ("MajajHong2015", "MajajHong2015public")
    },
    "freemanziemba2013": {
        study: [f"{region}-{m}" for region in ("V1", "V2") for m in ("pls", "ridge", "ccnorm2")]
        for study in ("FreemanZiemba2013", "FreemanZiemba2013public")
    },
    "sanghavi2020": {
        study: ["V4-pls", "IT-pls"]
        for study in ("Sanghavi2020", "SanghaviJozwik2020", "SanghaviMurty2020")
    },
}
"""Modules whose attributes are identifiers: benchmarks of several data sets, declared together."""


def benchmarks() -> dict[str, str]:
    """Identifier of every benchmark -> where it is declared."""
    declared = {
        f"Simulated.{region}-{measure}": f"simulated:{region}_{measure}"
        for measure, regions in SIMULATED.items()
        for region in regions
    }
    declared |= {
        f"SimulatedMovies.{region}-pls": f"simulated_movies:{region}_pls" for region in ("V4", "IT")
    }
    declared |= {
        f"Cowley2023.V4-{name}": f"cowley2023:V4_{name}"
        for name in ("pls", "ccnorm2", "ccnorm", "ridge")
    }
    declared["Geirhos2019.cueconflict-choices"] = "geirhos2019:cueconflict_choices"
    declared["Geirhos2019.cueconflict-consistency"] = "geirhos2019:cueconflict_consistency"
    declared["Geirhos2019.cueconflict-shapebias"] = "geirhos2019:cueconflict_shapebias"
    declared |= {
        f"Geirhos2019{kind}.behavior-{measure}": f"geirhos2019:{kind}_{measure}"
        for kind in ("edges", "silhouettes")
        for measure in ("choices", "consistency")
    }
    declared |= {
        f"Henaff2021.V1-{name}": f"henaff2021:V1_{name}"
        for name in ("pls", "ridge", "ccnorm2", "curvature")
    }
    declared |= {
        f"Rajalingham2018{kind}-{name}": f"rajalingham2018:{kind or 'private'}_{name.replace('-', '_')}"
        for kind, names in (("", ("i2n", "i1", "i2n-cv", "i1-cv")), ("public", ("i2n", "i1")))
        for name in names
    }
    declared["Kriegeskorte2008.IT-rsa"] = "kriegeskorte2008:IT_rsa"
    declared |= {
        f"{study}.{name}": f"{module}:{study}.{name}"
        for module, studies in RECORDED.items()
        for study, names in studies.items()
        for name in names
    }
    declared |= {
        f"Cadena2017.V1-{name}": f"cadena2017:V1_{name}" for name in ("pls", "ridge", "ccnorm2")
    }
    declared |= {
        f"MajajHong2015public.{region}-reverse": "majajhong2015:"
        f"MajajHong2015public.{region}-reverse"
        for region in ("V4", "IT")
    }
    declared["Kar2019-ost"] = "kar2019:ost"
    declared["Kar2019authors-ost"] = "kar2019:authors_ost"
    declared["Kar2018hvm.IT-pls"] = "kubilius2019:NEURONS_PLS"
    declared["Kar2018coco.IT-pls"] = "kubilius2019:IMAGES_PLS"
    declared["Kubilius2019objects-i2n"] = "kubilius2019:OBJECTS_I2N"
    declared["Rajalingham2020.IT-pls"] = "rajalingham2020:IT_pls"
    declared |= {f"Cichy2014.{region}-rsa": f"cichy2014:{region}_rsa" for region in ("EVC", "IT")}
    declared |= {
        f"Papale2025.{region}-{name}": f"papale2025:{region}_{name}"
        for region in ("V1", "V4", "IT")
        for name in ("pls", "ridge")
    }
    return {name: f"brainbench_benchmarks.{target}" for name, target in declared.items()}


def composites() -> dict[str, str]:
    """Name of every composite -> where it is declared, in the order in which they are offered."""
    names = ("mean-v1", "mean-v1-static", "mission-v2")
    twins = [f"Simulated.{name}" for name in names]
    return {
        name: "brainbench_benchmarks.composite:" + name.lower().replace("-", "_").replace(".", "_")
        for name in (*names, *twins)
    }


def checks() -> dict[str, str]:
    """Name of every set of checks of `brainbench selftest` -> where they are declared."""
    return {"simulated brain": "brainbench_benchmarks.known_truth:CHECKS"}
