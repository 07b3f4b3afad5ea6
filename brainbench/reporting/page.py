"""Templates become pages: one file with its style, script and figures, and no request to anywhere."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

import brainbench
from brainbench.core.digits import between, between_ranks, decimal
from brainbench.core.untrusted_text import visible
from brainbench.storage import files

_JOINTS = re.compile(r"([_@.:/+-])(?=\w)")


def render(template: str, **content: Any) -> str:
    """Return a page; every text in it that comes from a score or a plug-in is shown, not obeyed."""
    return _environment().get_template(template).render(version=brainbench.__version__, **content)


def write(path: Path, page: str) -> None:
    """Write a page at once; CacheError if it cannot be written."""
    with files.new_file(path, choose="give the page") as temporary:
        temporary.write_text(page, encoding="utf-8")


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("brainbench.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters |= {
        "decimal": decimal,
        "between": between,
        "flat": flat,
        "breakable": breakable,
    }
    environment.globals["between_ranks"] = between_ranks
    return environment


def _shown(value: Any) -> Any:
    """Return a value as it is, or a text with its control characters written out."""
    if isinstance(value, str) and not value.isprintable() and type(value) is str:
        return visible(value)
    return "" if value is None else value


def breakable(name: str) -> Markup:
    """Return a name that a narrow cell may break after any sign that joins its parts."""
    escaped = str(escape(visible(name)))
    return Markup(_JOINTS.sub(r"\1<wbr>", escaped))  # noqa: S704  # escaped above


def flat(value: Any) -> str:
    """Return a value of a record in words: lists with commas, mappings as "key: value"."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {flat(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "; ".join(flat(item) for item in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return "not given" if value is None else str(value)
