"""`brainbench extract`: activations of any images over time, as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

NONE: list[str] = []


def _text(*names: str, metavar: str, help: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=help, show_default=False)


def extract(
    model: Annotated[
        str, _text("-m", "--model", metavar="MODEL", help="Model, or FILE.py:make_model.")
    ] = "",
    stimuli: Annotated[
        Path | None, _text("--stimuli", metavar="DIR", help="Folder of images, nothing else in it.")
    ] = None,
    output: Annotated[
        Path | None, _text("-o", "--output", metavar="FILE", help="netCDF4 file to write.")
    ] = None,
    layers: Annotated[
        list[str],
        _text("--layers", metavar="LAYER", help="Layers, comma list; all of its areas without."),
    ] = NONE,
    reducer: Annotated[
        str,
        typer.Option(metavar="NAME", help="none, or mean-space: each channel's mean over places."),
    ] = "none",
    precision: Annotated[
        str, typer.Option(metavar="NAME", help="float32, or bf16 (marked in the model's name).")
    ] = "float32",
    weights: Annotated[
        str | None,
        _text("--weights", metavar="WEIGHTS", help="For a model that has a choice: imagenet, ..."),
    ] = None,
    device: Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu, cuda, ...")] = "auto",
    batch_size: Annotated[
        str, typer.Option(metavar="N", help="Images per forward pass, or auto.")
    ] = "auto",
    model_args: Annotated[
        list[str],
        _text("--model-args", metavar="NAME=VALUE", help="Option for the model, as size=64."),
    ] = NONE,
    as_json: Annotated[bool, typer.Option("--json", help="What was written, as JSON.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log details.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No bars, no notes.")] = False,
) -> None:
    """Write the activations of images, step by step, to one netCDF4 file.

    Each layer is a group of the file, with the dims stimulus, neuroid and time.
    In Python, brainbench.load_activations(FILE) reads it.
    """
    from brainbench.cli import options

    options.needed([model] if model else [], "--model", "brainbench list models")
    folder = _given(stimuli, "--stimuli", "photos/")
    path = _given(output, "--output", "acts.nc")
    options.writable_file(path, "--output")
    arguments = options.model_args(model_args)

    from brainbench.api import extract_activations
    from brainbench.cli import console
    from brainbench.core import progress

    console.start_logging(verbose=verbose)
    with progress.use(console.reporter(quiet=quiet)):
        written = extract_activations(
            model,
            folder,
            layers=[name.strip() for text in layers for name in text.split(",") if name.strip()],
            output=path,
            reducer=reducer,
            device=device,
            batch_size=options.batch_size_of(batch_size),
            precision=precision,
            weights=weights,
            model_args=arguments,
        )
    _say(path, written, as_json=as_json)


def _given(path: Path | None, option: str, example: str) -> Path:
    from brainbench.core.errors import InputError

    if path is None:
        raise InputError(
            f"no {option}", allowed="a path", todo=f"give {option} PATH, for example {example}"
        )
    return path


def _say(path: Path, written: Any, *, as_json: bool) -> None:
    import json

    from brainbench.cli import console

    rows = [
        {
            "layer": layer,
            "images": one.sizes["stimulus"],
            "neuroids": one.sizes["neuroid"],
            "steps": one.sizes["time"],
        }
        for layer, one in written.items()
    ]
    if as_json:
        print(json.dumps({"file": str(path), "layers": rows}, indent=1))
        return
    console.print_rows(rows)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
