"""The bundled data sets: one TOML file each, loaded as the attribute of the file's name."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any

NAMES = (
    "Simulated",
    "SimulatedMovies",
    "Cowley2023",
    "Geirhos2019",
    "Kriegeskorte2008",
    "MajajHong2015",
    "MajajHong2015public",
    "MajajHong2015temporal",
    "MajajHong2015temporalprivate",
    "FreemanZiemba2013",
    "FreemanZiemba2013public",
    "Rajalingham2018",
    "Rajalingham2018public",
    "Kar2019",
    "Kar2019authors",
    "Kar2018hvm",
    "Kar2018coco",
    "Kubilius2019objects",
    "Cadena2017",
    "Papale2025",
    "Henaff2021",
    "Cichy2014",
    "Cowley2023sessions",
    "Geirhos2019edges",
    "Geirhos2019silhouettes",
    "Geirhos2021",
    "ZhangDesimone2011",
    "CIFAR10",
    "CIFAR10H",
    "CIFAR100",
    "Hebart2023",
    "Hebart2023fmri",
    "Allen2022",
    "Li2026",
    "LAIONfMRI",
    "Gifford2022",
    "Sanghavi2020",
    "SanghaviJozwik2020",
    "SanghaviMurty2020",
    "Rajalingham2020",
    "Marques2020",
    "CORnetWeights",
    "ConvRNNWeights",
)
"""Names of the data sets that brainbench knows, in the order in which they are listed."""


def data() -> dict[str, str]:
    """Return name of every data set -> its manifest, as "module:attribute"."""
    return {name: f"{__name__}:{name.lower()}" for name in NAMES}


def __getattr__(attribute: str) -> dict[str, Any]:
    path = files(__name__) / f"{attribute}.toml"
    if not path.is_file():
        raise AttributeError(f"no data manifest {attribute}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))
