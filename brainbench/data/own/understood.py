"""What was understood of a data set of one's own, in words and figures, before it is kept."""

from __future__ import annotations

from typing import Any

import numpy as np

from brainbench.core.assembly import Assembly, time_average
from brainbench.core.errors import InputError
from brainbench.core.stimuli import GROUP, StimulusSet
from brainbench.data.facts import facts_of, objects_of
from brainbench.data.offers import Facts, Offer, offers
from brainbench.data.own.dataset import OwnData
from brainbench.stats.ceiling import split_half

_SHOWN = 3


def describe(data: OwnData) -> dict[str, Any]:
    """Return what there is of images, responses and behavior, by title; values are text or lists of it."""
    facts = facts_of(data)
    about: dict[str, Any] = {"data": data.name, "images": _images(data.pictures)}
    for region, recording in data.regions.items():
        about[region] = _recording(recording, data.window_of(region))
    if data.table is not None:
        about["behavior"] = _behavior(data)
    if data.notes:
        about["notes"] = list(data.notes)
    return about | offered(data.name, facts)


def offered(name: str, facts: Facts) -> dict[str, Any]:
    """Return the benchmarks that a data set offers, and what is missing for the others."""
    all_of_them = offers(name, facts)
    return {
        "benchmarks": [offer.identifier for offer in all_of_them if not offer.missing] or ["none"],
        "not offered": [_missing(offer) for offer in all_of_them if offer.missing] or ["none"],
    }


def _missing(offer: Offer) -> str:
    return f"{offer.identifier}: needs " + ", and ".join(offer.missing)


def _images(stimuli: StimulusSet) -> list[str]:
    shapes = sorted({stimuli.picture(k).shape[:2] for k in range(len(stimuli))})
    sizes = ", ".join(f"{width} x {height}" for height, width in shapes[:_SHOWN])
    more = f", ... ({len(shapes)} sizes)" if len(shapes) > _SHOWN else ""
    lines = [f"{len(stimuli)}, {sizes}{more} pixels: {_some(list(stimuli.ids))}"]
    objects = objects_of(stimuli)
    if objects:
        least, most = min(objects.values()), max(objects.values())
        each = f"{least}" if least == most else f"{least} to {most}"
        lines.append(f"{len(objects)} objects, {each} images each: {_some(list(objects))}")
    if GROUP in stimuli.metadata.columns:
        lines.append(f"{len(set(stimuli.labels(GROUP).tolist()))} groups")
    copies = stimuli.copies
    if copies is not None:
        names, counts = np.unique(copies, return_counts=True)
        twice = names[counts > 1]
        lines.append(
            f"copies: {len(copies) - len(names)} images are the same pixels as another, "
            f"such as those of {twice[0]}"
        )
    return lines


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f", ... {names[-1]}" if len(names) > _SHOWN else "")


def _recording(recording: Assembly, window: tuple[float, float]) -> list[str]:
    sizes = " x ".join(f"{size} {dim}" for dim, size in recording.sizes.items())
    sites = [str(name) for name in recording.coords["neuroid_id"].values]
    values = recording.values
    lines = [
        f"{sizes}, {recording.dtype}, {recording.attrs['units']}",
        f"sites: {_some(sites)}",
        f"values: {np.nanmin(values):.4g} to {np.nanmax(values):.4g}, mean {np.nanmean(values):.4g}",
        _trials(recording),
        "window: {:g} to {:g} ms".format(*window),
    ]
    if "time" in recording.dims:
        start, end = (recording.coords[key].values for key in ("time_start", "time_end"))
        lines.append(
            f"time: {len(start)} bins, {start[0]:g} to {end[-1]:g} ms, the first of "
            f"{end[0] - start[0]:g} ms"
        )
    if "animal" in recording.coords:
        names, counts = np.unique(recording.coords["animal"].values.astype(str), return_counts=True)
        each = ", ".join(f"{name} ({n} sites)" for name, n in zip(names, counts, strict=True))
        lines.append(f"animals: {each}")
    if not np.isnan(values).all():
        lines.append(_reliability(recording, window))
    return lines


def _trials(recording: Assembly) -> str:
    if "repetition" not in recording.dims:
        return "trials: one response of each site to each image, so that there is no ceiling"
    others = [dim for dim in recording.dims if dim not in ("repetition", "stimulus")]
    counts = recording.notnull().all(others).sum("repetition").values
    least, most = int(counts.min()), int(counts.max())
    return (
        f"trials: {most} of each image" if least == most else f"trials: {least} to {most} an image"
    )


def _reliability(recording: Assembly, window: tuple[float, float]) -> str:
    """Return the split-half reliability of the median site, in the window."""
    title = "split-half reliability"
    if "repetition" not in recording.dims or recording.sizes["repetition"] < 2:
        return f"{title}: none, without repeated trials"
    try:
        by_split = split_half(np.asarray(time_average(recording, window).values, dtype=float))
    except InputError as error:
        return f"{title}: none ({error.got})"
    of_sites = np.nanmean(by_split[:, ~np.isnan(by_split).all(axis=0)], axis=0)
    low, high = np.percentile(of_sites, [5, 95])
    return (
        f"{title}, Spearman-Brown corrected: median site {np.median(of_sites):.2f} "
        f"(5 to 95 % of sites: {low:.2f} to {high:.2f})"
    )


def _behavior(data: OwnData) -> list[str]:
    table = data.table
    if table is None:
        return []
    if "ost" in table.columns:
        return [f"solution times of {int(table['ost'].notna().sum())} of {len(table)} images"]
    kind = "choices between two objects" if "distractor" in table.columns else "answers"
    lines = [f"{len(table)} {kind} to {table['stimulus_id'].nunique()} images"]
    if "subject" in table.columns:
        lines.append(f"subjects: {table['subject'].nunique()}")
    right = (table["choice"] == table["truth"]).mean()
    return [*lines, f"correct: {100 * right:.1f} %"]
