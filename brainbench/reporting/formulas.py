"""Formulas of scores, as a page writes them: MathML and a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup


@dataclass(frozen=True)
class Formula:
    """A formula as MathML, and what it means."""

    math: Markup
    meaning: str


def _fraction(top: str, bottom: str) -> str:
    return f"<mfrac>{top}{bottom}</mfrac>"


_R, _C = "<mi>r</mi>", "<mi>c</mi>"
_R2 = "<msup><mi>r</mi><mn>2</mn></msup>"
_ROOT = "<msqrt><mi>c</mi></msqrt>"
_RATIO = f"<mrow><mo>(</mo>{_fraction(_R, _C)}<mo>)</mo></mrow>"
_MATH = {
    "raw": (_R, "the measure's own figure, before any ceiling"),
    "r/c": (_fraction(_R, _C), "relative to the reliability c; a model without noise can exceed 1"),
    "(r/c)^2": (
        f"<msup>{_RATIO}<mn>2</mn></msup>",
        "the square of r relative to the reliability c",
    ),
    "r2/c": (
        _fraction(_R2, _C),
        "explained variance relative to the reliable variance; 1 is the most that can be reached",
    ),
    "r/sqrt(c)": (
        _fraction(_R, _ROOT),
        "noise-corrected correlation; 1 is what a model without noise reaches",
    ),
    "clip(r/c)": (
        f"<mi>clip</mi><mrow><mo>(</mo>{_fraction(_R, _C)}<mo>,</mo><mn>0</mn><mo>,</mo>"
        "<mn>1</mn><mo>)</mo></mrow>",
        "r relative to the reliability c, cut to 0 to 1",
    ),
}


def formula(name: str) -> Formula:
    """Return a formula by its name in a score, such as "r2/c-v1"; one that is not known as its name."""
    bare = name.rpartition("-v")[0] or name
    math, meaning = _MATH.get(bare, (f"<mtext>{Markup.escape(bare)}</mtext>", "as its name says"))
    return Formula(Markup(f"<math>{math}</math>"), meaning)  # noqa: S704  # of the texts above
