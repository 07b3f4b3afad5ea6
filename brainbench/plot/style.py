"""The look of all figures: one column wide, 7-point text, colors that color-blind readers can tell apart."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainbench.core.errors import InputError
from brainbench.core.untrusted_text import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".pdf", ".svg")
MM = 1 / 25.4  # inches
COLUMN = 85.0
"""Width of a figure in mm: one column of most journals."""
INK, MUTED, CEILING, FAINT = "#222222", "#666666", "#8a8a8a", "#e3e3e3"
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5C3A")
"""Okabe and Ito's colors without yellow, which is too faint for lines, and a brown in place of black."""
PROPERTIES: Mapping[str, str] = {
    INK: "--ink",
    MUTED: "--soft",
    CEILING: "--reached",
    FAINT: "--line",
    "#ffffff": "--paper",
    **{color.lower(): f"--series-{place}" for place, color in enumerate(COLORS)},
}
"""Color -> the custom property of CSS that stands for it in the figures of a page."""
_COLOR = re.compile(r"\b(fill|stroke): (#[0-9a-f]{6})\b")
_LINES = (
    "stroke-linejoin: round; stroke-linecap: butt"  # matplotlib's, for the figure and not the page
)
MARKERS = "osD^vPX"
SMALL = 6.5  # points
_LETTERS = 28  # of each of two names side by side in a legend
_STYLE: Mapping[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Arial", "Helvetica", "Liberation Sans", "DejaVu Sans"],
    "font.size": 7.0,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "text.parse_math": False,  # a name may hold dollar signs
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "brainbench",
    "savefig.dpi": 300,
}


@contextlib.contextmanager
def drawing(
    ax: Axes | None = None, *, height: float = 55.0, width: float = COLUMN
) -> Iterator[Axes]:
    """Yield axes in the style of all figures: those given, or new ones of this size in mm.

    InputError without matplotlib.
    """
    with styled():
        from matplotlib.text import Text

        axes = new_figure(height=height, width=width).subplots() if ax is None else ax
        yield axes
        for text in axes.findobj(Text):  # of axes that were given
            text.set_parse_math(False)


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw and write in the style of all figures within the block.

    InputError without matplotlib.
    """
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise InputError(
            f"a figure without matplotlib ({error})",
            allowed="matplotlib, from the extra plot",
            todo="pip install 'brainbench[plot]'",
        ) from error
    style: Any = {**_STYLE, "font.sans-serif": [*_fonts(), "DejaVu Sans"]}
    with mpl.rc_context(style):
        yield


def _fonts() -> list[str]:
    """Return those of the fonts that are installed: matplotlib warns of each that is not."""
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return [name for name in _STYLE["font.sans-serif"][:-1] if name in installed]


def new_figure(*, height: float, width: float = COLUMN) -> Figure:
    """Return an empty figure of this size in mm."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width * MM, height * MM), layout="constrained")


def color_of(place: int, n: int) -> str:
    """Return the color of one of n things; all have one color where there are more than colors."""
    return COLORS[place % len(COLORS)] if n <= len(COLORS) else COLORS[0]


def save(drawn: Axes | Figure, path: str | Path) -> Path:
    """Write a figure, or that of axes; the suffix of the path, one of `FORMATS`, is the format.

    The same figure gives the same file. InputError for another suffix, or where the file cannot be written.
    """
    path = checked_path(path)
    fixed = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    try:
        with styled():
            figure_of(drawn).savefig(path, metadata=fixed.get(path.suffix.lower()))
    except OSError as error:
        raise InputError(
            f"a figure at {path} ({error.strerror or error})",
            allowed="a folder that exists and can be written",
            todo="choose another path",
        ) from error
    return path


def checked_path(path: str | Path) -> Path:
    """Return a path whose suffix is a format of figures; raise InputError for another."""
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise InputError(
            f"a figure with the file name {path.name!r}",
            allowed="a file that ends in " + ", ".join(FORMATS),
            todo="choose for example figure.pdf",
        )
    return path


def figure_of(drawn: Axes | Figure) -> Figure:
    """Return the figure of axes, or the figure itself."""
    from matplotlib.figure import Figure

    found = drawn if isinstance(drawn, Figure) else drawn.get_figure(root=True)
    if not isinstance(found, Figure):
        raise InputError(
            "axes that are in no figure",
            allowed="axes of a figure",
            todo="draw into axes of a figure that was not closed",
        )
    return found


def svg(drawn: Axes | Figure, *, label: str, prefix: str = "") -> str:
    """Return a figure as an <svg> element for HTML: with `label` as alternative text, and real text.

    `prefix` goes before each id within, so that several figures fit into one page. Colors are the custom
    properties of CSS in `PROPERTIES`, which a page may set for its dark theme; where it sets none, they are
    those of all figures.
    """
    import html

    stream = io.StringIO()
    with styled():
        import matplotlib as mpl

        with mpl.rc_context({"svg.fonttype": "none"}):
            figure_of(drawn).savefig(
                stream, format="svg", transparent=True, metadata={"Date": None}
            )
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}", text)
    text = re.sub(r"<(metadata|style)\b.*?</\1>\s*", "", text, flags=re.DOTALL)
    text = _COLOR.sub(_as_property, text)
    named = f'<svg role="img" aria-label="{html.escape(visible(label, keep=""))}" style="{_LINES}"'
    return text.replace("<svg", named, 1)


def _as_property(match: re.Match[str]) -> str:
    name = PROPERTIES.get(match[2])
    return f"{match[1]}: var({name}, {match[2]})" if name else match[0]


def strip(values: Sequence[str]) -> tuple[str, list[str]]:
    """Return what several names begin with up to a dot or underscore, and the rest of each.

    Examples
    --------
    >>> strip(["_blocks.0", "_blocks.15"])
    ('_blocks.', ['0', '15'])
    """
    first, last = min(values), max(values)
    n = next((k for k, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), 0)
    n = max(first.rfind(".", 0, n), first.rfind("_", 0, n)) + 1 if len(values) > 1 else 0
    return first[:n], [value[n:] for value in values]


def legend_below(
    axes: Axes,
    handles: Sequence[Any],
    *,
    columns: int = 2,
    points: float = 27.0,
    to_the_right: bool = False,
) -> None:
    """Draw a legend this far below the axes, where ticks and label end; long names below each other.

    Its center is that of the axes, or its right edge theirs.
    """
    from matplotlib.transforms import offset_copy

    columns = 1 if any(len(handle.get_label()) > _LETTERS for handle in handles) else columns

    axes.legend(
        handles=handles,
        loc="upper right" if to_the_right else "upper center",
        bbox_to_anchor=(1.0 if to_the_right else 0.5, 0.0),
        bbox_transform=offset_copy(axes.transAxes, figure_of(axes), x=0, y=-points, units="points"),
        borderaxespad=0.0,
        borderpad=0.0,
        ncols=min(columns, len(handles)),
        columnspacing=1.2,
    )
