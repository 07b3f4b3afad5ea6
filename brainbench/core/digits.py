"""Figures as tables and pages write them."""

from __future__ import annotations


def decimal(value: float | None, *, digits: int = 3) -> str:
    """Return a figure without the zero before its point: .523, -.004, 1.020; empty for None.

    Examples
    --------
    >>> [decimal(value, digits=2) for value in (0.451, -0.02, 1.0, -0.001, None)]
    ['.45', '-.02', '1.00', '.00', '']
    """
    if value is None:
        return ""
    text = f"{value:.{digits}f}"
    text = text.removeprefix("-") if float(text) == 0 else text
    return text.replace("0.", ".", 1) if abs(float(text)) < 1 else text


def between(ci: tuple[float, float] | None, *, approximate: bool | None) -> str:
    """Return an interval, marked where it is approximate; empty for None."""
    if ci is None:
        return ""
    mark = "≈ " if approximate else ""  # in front, so that figures stay aligned
    return f"{mark}{decimal(ci[0])} to {decimal(ci[1])}"


def between_ranks(low: int, high: int) -> str:
    """Return ranks as an interval: "2 to 5", or "1"."""
    return str(low) if low == high else f"{low} to {high}"
