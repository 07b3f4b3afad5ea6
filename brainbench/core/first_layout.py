"""Stored scores as versions before 0.2 wrote them."""

from __future__ import annotations

from typing import Any


def from_first_layout(stored: dict[str, Any]) -> dict[str, Any]:
    """Translate a score in which flags and prose held the status, and the record held the selection."""
    kept = {key: item for key, item in stored.items() if key not in ("absent", "inapplicable")}
    method, record = stored.get("ci_method") or "", dict(stored["record"] or {})
    status = "scored" if stored["value"] is not None else "failed"
    if stored.get("absent"):
        status = "data_absent"
    elif stored.get("inapplicable"):
        status = "not_applicable"
    selection = {key: record.pop(key, None) for key in ("layer", "step", "curve")}
    return {
        **kept,
        "status": status,
        "ci_method": method.removesuffix("; approximate") or None,
        "ci_approximate": method.endswith("approximate"),
        "selection": {**selection, "curve": selection["curve"] or ()},
        "record": record or None,
    }
