"""`brainbench extract`: activations of any images over time, as a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from brainbench.cli import completion, options
from brainbench.core.settings import Placement

Reducer = Annotated[
    str, typer.Option(metavar="NAME", help="none, or mean-space: each channel's mean over places.")
]


@options.takes(Placement)
def extract(
    model: Annotated[
        str,
        options.text_option(
            "-m",
            "--model",
            metavar="MODEL",
            help="Model, or FILE.py:make_model.",
            complete=completion.models,
        ),
    ] = "",
    stimuli: Annotated[
        Path | None,
        options.text_option(
            "--stimuli", metavar="DIR", help="Folder of images, nothing else in it."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        options.text_option("-o", "--output", metavar="FILE", help="netCDF4 file to write."),
    ] = None,
    layers: Annotated[
        list[str],
        options.text_option(
            "--layers", metavar="LAYER", help="Layers, comma list; by default all of its areas."
        ),
    ] = options.NONE,
    reducer: Reducer = "none",
    *,
    weights: options.Weights = None,
    model_args: options.ModelArgs = options.NONE,
    as_json: options.AsJson = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    **given: Any,
) -> None:
    """Write the activations of images, step by step, to one netCDF4 file.

    Each layer is a group of the file, with the dims stimulus, neuroid and time.
    In Python, brainbench.load_activations(FILE) reads it.
    """
    options.needed([model] if model else [], "--model", "brainbench list models")
    folder = _given(stimuli, "--stimuli", "photos/")
    path = _given(output, "--output", "acts.nc")
    options.writable_file(path, "--output")
    placement = options.read_options(Placement, given)
    arguments = options.model_args(model_args)

    from brainbench.cli import console

    console.start_logging(verbose=verbose)
    with console.loading(quiet=quiet):
        from brainbench.api import extract_activations

    with console.working(f"activations of {model}", quiet=quiet):
        activations = extract_activations(
            model,
            folder,
            layers=[name.strip() for text in layers for name in text.split(",") if name.strip()],
            output=path,
            reducer=reducer,
            weights=weights,
            model_args=arguments,
            **vars(placement),
        )
    _print(path, activations, as_json=as_json)


def _given(path: Path | None, option: str, example: str) -> Path:
    from brainbench.core.errors import InputError

    if path is None:
        raise InputError(
            f"no {option}", allowed="a path", todo=f"give {option} PATH, for example {example}"
        )
    return path


def _print(path: Path, activations: Any, *, as_json: bool) -> None:
    import json

    from brainbench.cli import console
    from brainbench.cli.text import fitted

    rows = [
        {
            "layer": layer,
            "images": values.sizes["stimulus"],
            "neuroids": values.sizes["neuroid"],
            "steps": values.sizes["time"],
        }
        for layer, values in activations.items()
    ]
    if as_json:
        print(json.dumps({"file": str(path), "layers": rows}, indent=1))
        return
    console.print_rows(rows)
    print(fitted(f"{path}: {path.stat().st_size / 1e6:.1f} MB", sys.stdout))
