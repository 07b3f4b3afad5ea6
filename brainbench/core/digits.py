"""Figures as tables and pages write them."""

from __future__ import annotations


def decimal(value: float | None) -> str:
    """Return three decimals, without the zero before the point: .523, -.004, 1.020; empty for None."""
    if value is None:
        return ""
    text = f"{value:.3f}"
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    if digits == "0.000":
        sign = ""
    return sign + (digits[1:] if digits.startswith("0.") else digits)


def between(ci: tuple[float, float] | None, *, approximate: bool | None) -> str:
    """Return an interval, marked where it is approximate; empty for None."""
    if ci is None:
        return ""
    mark = "≈ " if approximate else ""  # in front, so that figures stay aligned
    return f"{mark}{decimal(ci[0])} to {decimal(ci[1])}"


def between_ranks(low: int, high: int) -> str:
    """Return ranks as an interval: "2 to 5", or "1"."""
    return str(low) if low == high else f"{low} to {high}"
