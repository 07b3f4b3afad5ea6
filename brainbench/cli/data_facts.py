"""What `brainbench data show` says of a manifest, as names and texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brainbench.data.manifest import Facts, KnownFigure, Manifest

SHOWN = 6  # files that are named one by one


def facts_of(declared: Manifest, *, state: str) -> dict[str, Any]:
    """Return facts about a data set in the order in which they are shown; what is not known is left out."""
    facts = {
        "data": declared.name,
        "title": declared.title,
        "state": state,
        "simulated": "yes" if declared.simulated else "no",
        "access": None if declared.simulated else declared.access,
        "public alternative": declared.alternative,
        "where": declared.place,
        "license": declared.license,
        "citation": declared.citation,
        "doi": declared.doi,
        **_known(declared.facts),
        "known answers": [*declared.facts.known_answers, *map(_figure, declared.known)],
        "files": _files(declared),
        "reader": declared.loader or "none yet: files are fetched, checked and kept",
        "read with": [
            f"{key} = {value}"
            for key, value in declared.parameters.items()
            if not isinstance(value, Mapping)  # as facts of each animal, above
        ],
    }
    return {key: value for key, value in facts.items() if value not in (None, "", [])}


def _known(facts: Facts) -> dict[str, Any]:
    return {
        "shape": facts.shape,
        "units": facts.units,
        "regions": ", ".join(
            f"{region} {facts.sites[region]}" if region in facts.sites else region
            for region in facts.regions
        ),
        "animals": _pairs(facts.animals),
        "images": str(facts.images) if facts.images else None,
        "trials": facts.trials,
        "time bins": facts.time_bins,
        "degrees": f"{facts.degrees:g}" if facts.degrees else None,
        "groups": facts.groups,
        "splits": facts.splits,
        "remarks": list(facts.remarks),
    }


def _figure(known: KnownFigure) -> str:
    within = f" (within {known.tolerance:g})" if known.tolerance else ""
    return f"{known.name}: {known.expected:g}{within}"


def _pairs(named: Mapping[str, str]) -> list[str]:
    return [f"{name}: {text}" for name, text in named.items()]


def _files(declared: Manifest) -> list[str]:
    """Return the number and size of the files, the sources, and the first addresses."""
    listed = declared.published_files()
    if not listed:
        return []
    sizes = [file.bytes for file in listed if file.bytes]
    known = f", {sum(sizes) / 1e6:.1f} MB" if len(sizes) == len(listed) else ", sizes not known"
    lines = [f"{len(listed)}{known}"]
    lines += [
        f"github.com/{source.repository} at {source.commit}, folder {source.folder or '/'}"
        for source in declared.repositories
    ]
    lines += [f"{file.addresses[0]} ({file.checksum or 'no checksum'})" for file in listed[:SHOWN]]
    more = len(listed) - SHOWN
    return [*lines, f"... and {more} more"] if more > 0 else lines
