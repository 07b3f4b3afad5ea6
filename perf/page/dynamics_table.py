"""Table and figure of the dynamics of several models, bin by bin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from page.tables import figure, table

REGIONS = ("V4", "IT")


def dynamics_of(scores: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return (region, model) -> score of the dynamics benchmarks that have a value."""
    return {
        (region, one["model"]): one
        for region in REGIONS
        for one in scores
        if one["benchmark"] == f"Simulated.{region}-dynamics" and one["value"] is not None
    }


def side_by_side(scores: Sequence[Mapping[str, Any]], picture: Path) -> list[str]:
    """Return a table of the models' states and scores, and draw every bin."""
    by_model = dynamics_of(scores)
    draw(by_model, picture)
    rows = []
    for model in dict.fromkeys(model for _, model in by_model):
        cells = [_cells(by_model.get((region, model))) for region in REGIONS]
        first = next(by_model[region, model] for region in REGIONS if (region, model) in by_model)
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
    """Describe the model's states over time."""
    choices = score["record"]["choices"]
    if choices["static_model"]:
        return f"static: {choices['static_model']}"
    numbers = sorted({one["states"] for one in choices["features"]})
    return f"{', '.join(map(str, numbers))} over time, {score['record']['presentation']}"


def draw(by_model: Mapping[tuple[str, str], Mapping[str, Any]], picture: Path) -> None:
    """Draw r in each time bin; lines of static models are dashed."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(9, 4), layout="constrained")
    panels = canvas.subplots(1, len(REGIONS), sharey=True)
    models = list(dict.fromkeys(model for _, model in by_model))
    for panel, region in zip(panels, REGIONS, strict=True):
        for number, model in enumerate(models):
            if (region, model) not in by_model:
                continue
            score = by_model[region, model]
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
    canvas.savefig(picture, dpi=110)
