"""The kept data sets as plug-in of the registry: their names, and those of the benchmarks that they offer.

Imports nothing heavy. The facts of each set were written when it was added.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from brainbench.data.folder import data_folder
from brainbench.data.offers import Facts, RegionFacts, offers

ABOUT = "own.json"
"""File of a kept data set that says what is in it."""
FOLDER = "own"
"""Folder of the files of a data set, within the one of its name."""
_MANIFEST = "manifest of "
log = logging.getLogger(__name__)


def data() -> dict[str, tuple[str, str]]:
    """Return the name of every kept data set -> its manifest, and what it is."""
    return {
        name: (f"{__name__}:{_MANIFEST}{name}", about["title"]) for name, about in _kept().items()
    }


def benchmarks() -> dict[str, str]:
    """Return the identifier of every benchmark that a kept data set offers -> where it is declared."""
    return {
        offer.identifier: f"brainbench.run.offered:{offer.identifier}"
        for name, about in _kept().items()
        for offer in offers(name, facts_from(about["facts"]))
        if not offer.missing
    }


def _kept() -> dict[str, dict[str, Any]]:
    kept = {}
    for path in sorted(data_folder().glob(f"[!.]*/{FOLDER}/{ABOUT}")):
        try:
            about = json.loads(path.read_bytes())
            facts_from(about["facts"])
            kept[str(about["name"])] = {**about, "title": str(about["title"])}
        except (OSError, ValueError, LookupError, TypeError) as error:
            log.warning("%s cannot be read (%s); add the data again", path, error)
    return kept


def facts_from(stored: dict[str, Any]) -> Facts:
    """Return facts that were stored as JSON."""
    regions = {
        name: RegionFacts(**{**region, "span": region["span"] and tuple(region["span"])})
        for name, region in stored["regions"].items()
    }
    return Facts(regions=regions, objects=stored["objects"], tables=tuple(stored["tables"]))


def folder_of(name: str) -> Path:
    """Return the folder in which a data set of this name is kept, whether it exists or not."""
    return data_folder() / name / FOLDER


def __getattr__(attribute: str) -> dict[str, Any]:
    name = attribute.removeprefix(_MANIFEST)
    about = _kept().get(name) if name != attribute else None
    if about is None:
        raise AttributeError(f"no data set of your own {attribute!r}")
    return {
        "name": name,
        "title": about["title"],
        "loader": "brainbench.data.own.kept:open_own",
        "license": "your own",
        "citation": about["citation"],
        "parameters": {"sources": ", ".join(about["sources"])},
    }
