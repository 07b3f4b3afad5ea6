"""The bundled data sets: one TOML file each, loaded as the attribute of the file's name."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import Any


def data() -> dict[str, str]:
    """Return name of every data set -> its manifest, as "module:attribute"."""
    return {
        "Simulated": "brainbench_manifests:simulated",
        "Cowley2023": "brainbench_manifests:cowley2023",
        "Geirhos2019": "brainbench_manifests:geirhos2019",
        "Kriegeskorte2008": "brainbench_manifests:kriegeskorte2008",
    }


def __getattr__(attribute: str) -> dict[str, Any]:
    path = files(__name__) / f"{attribute}.toml"
    if not path.is_file():
        raise AttributeError(f"no data manifest {attribute}.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))
