"""Dynamics of several models side by side, bin by bin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from page.tables import figure, table

REGIONS = ("V4", "IT")


def dynamics_of(scores: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """(region, model) -> score of those that have a figure in each time bin, in the order of the scores."""
    return {
        (region, one["model"]): one
        for region in REGIONS
        for one in scores
        if one["benchmark"] == f"Simulated.{region}-dynamics" and one["value"] is not None
    }


def side_by_side(scores: Sequence[Mapping[str, Any]], picture: Path) -> list[str]:
    """What each model's states are, what the scalar makes of them, and a figure of every bin."""
    found = dynamics_of(scores)
    draw(found, picture)
    rows = []
    for model in dict.fromkeys(model for _, model in found):
        cells = [_cells(found.get((region, model))) for region in REGIONS]
        first = next(found[region, model] for region in REGIONS if (region, model) in found)
        rows.append((model, states(first), *(cell for pair in cells for cell in pair)))
    columns = [f"{region}, {what}" for region in REGIONS for what in ("score", "temporal r")]
    return table(("model", "states", *columns), rows)


def _cells(score: Mapping[str, Any] | None) -> tuple[str, str]:
    if score is None:
        return "", ""
    temporal = score["figures"]["temporal_correlation"].values()
    known = [one for one in temporal if one is not None]
    return figure(score["value"]), figure(sum(known) / len(known)) if known else "none"


def states(score: Mapping[str, Any]) -> str:
    """What the model gives over time."""
    choices = score["record"]["choices"]
    if choices["static_model"]:
        return f"static: {choices['static_model']}"
    numbers = sorted({one["states"] for one in choices["features"]})
    return f"{', '.join(map(str, numbers))} over time, {score['record']['presentation']}"


def draw(found: Mapping[tuple[str, str], Mapping[str, Any]], picture: Path) -> None:
    """R in each time bin, models with states over time in full lines, static ones dashed."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(9, 4), layout="constrained")
    panels = canvas.subplots(1, len(REGIONS), sharey=True)
    models = list(dict.fromkeys(model for _, model in found))
    for panel, region in zip(panels, REGIONS, strict=True):
        for number, model in enumerate(models):
            if (region, model) not in found:
                continue
            score = found[region, model]
            at = score["figures"]
            middle = [(a + b) / 2 for a, b in zip(at["time_start"], at["time_end"], strict=True)]
            static = score["record"]["choices"]["static_model"]
            panel.plot(
                middle, at["r"], "--" if static else "-", color=f"C{number}", lw=1.3, label=model
            )
        panel.set(title=f"Simulated {region}", xlabel="ms from stimulus onset")
        panel.axvspan(0, 100, color="0.94", zorder=0)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("r over held-out images, median of sites")
    handles, labels = panels[-1].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside right upper", frameon=False, fontsize=8)
    canvas.savefig(picture, dpi=120)
