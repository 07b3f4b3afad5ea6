"""`brainbench train`: a network is trained to classify images."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli import completion, options
from brainbench.cli.fit import Device

if TYPE_CHECKING:
    from brainbench.training.recipes import Recipe
    from brainbench.training.train import Job, TrainedNetwork

TRAINED = Path("trained")
Model = Annotated[str, typer.Argument(metavar="MODEL", autocompletion=completion.everything)]
Data = Annotated[
    Path,
    options.text_option(
        "--data", metavar="DIR", help="Folder with train/CLASS and val/CLASS, or an .npz file."
    ),
]


def train(
    model: Model,
    data: Data,
    recipe: Annotated[
        str, typer.Option(metavar="NAME", help="nayebi2018, nayebi2018-proxy, cornet_s, cifar.")
    ] = "cifar",
    config: Annotated[
        Path | None, options.text_option("--config", metavar="FILE", help="Options, TOML.")
    ] = None,
    settings: Annotated[
        list[str],
        options.text_option("--set", metavar="NAME=VALUE", help="One option, as epochs=5."),
    ] = options.NONE,
    model_args: options.ModelArgs = options.NONE,
    weights: options.Weights = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of trained networks.")
    ] = TRAINED,
    device: Device = "auto",
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Go on without images that cannot be read.")
    ] = False,
    monitor: Annotated[
        str | None,
        options.text_option(
            "--monitor",
            metavar="BENCHMARK",
            help="Score at each check, and keep the epoch of the largest score.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Take a few steps, say the cost, and stop.")
    ] = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a network to classify images, and store it with its recipe and curve.

    MODEL is a name, a file, or a trial of a search, as SPACE.study:best.
    A training that was stopped goes on with the same command.
    The file is a model: brainbench score -m FILE -b BENCHMARK. It is not scored
    on the recordings of --monitor, which chose its epoch.
    """
    from brainbench.cli import console
    from brainbench.core import progress

    console.start_logging(verbose=False)
    with console.loading(quiet=quiet):
        from brainbench.training.options import read_settings, read_toml
        from brainbench.training.recipes import recipe_named
        from brainbench.training.train import cost_of, train_network

    given: dict[str, Any] = {} if config is None else read_toml(config, option="--config")
    chosen = recipe_named(recipe, given | read_settings(settings))
    with progress.use(console.reporter(quiet=quiet)):
        arguments = options.model_args(model_args)
        job = _job(model, data, chosen, arguments, weights, device, skip_unreadable, monitor)
        if dry_run:
            _print(asdict(cost_of(job)), as_json=as_json)
            return
        done = train_network(job, folder=output)
    picture = _draw(done)
    row = {"file": str(done.path), "curve": str(done.curve), **picture, **_row(done)}
    _print(row, as_json=as_json)
    if not done.is_new:
        print("it was trained before", file=sys.stderr)


def _job(
    name: str,
    data: Path,
    recipe: Recipe,
    arguments: dict[str, Any],
    weights: str | None,
    device: str,
    skip_unreadable: bool,
    monitor: str | None,
) -> Job:
    from brainbench.run.code_of_user import absolute_name
    from brainbench.run.loading import model_with
    from brainbench.training.fit import device_named
    from brainbench.training.image_data import open_image_data
    from brainbench.training.train import Job

    placed = device_named(device)
    images = open_image_data(data)
    name, arguments = _of_study(name, arguments, len(images.classes))
    chosen = arguments if weights is None else options.with_weights(arguments, weights)
    return Job(
        model=model_with(name, chosen),
        name=absolute_name(name),
        model_args=arguments,
        data=images,
        recipe=recipe,
        device=placed,
        skip_unreadable=skip_unreadable,
        monitor=monitor,
    )


def _of_study(name: str, arguments: dict[str, Any], n_classes: int) -> tuple[str, dict[str, Any]]:
    """Return the model of a trial, as "FILE.study:best", with its options; any other name as it is."""
    from brainbench.training.study import SUFFIX, read_study

    file, _, member = name.rpartition(":")
    if not file.endswith(SUFFIX):
        return name, arguments
    drawn = read_study(Path(file)).member(member)
    return drawn.model, {**drawn.model_args, "classes": n_classes, **arguments}


def _row(done: TrainedNetwork) -> dict[str, Any]:
    figures, recipe = done.record.figures, done.record.recipe
    return {
        "recipe": recipe["name"],
        "not in the paper": list(recipe["gaps"]),
        "top-1": figures["top1"],
        "top-5": figures["top5"],
        **_monitored(done),
        "images": figures["images"],
        "skipped": figures["skipped"],
        "parameters": figures["parameters"],
        "seconds": figures["seconds"],
    }


def _monitored(done: TrainedNetwork) -> dict[str, Any]:
    """Return the score that chose the epoch, and which it is; nothing where the epoch is the last."""
    found = done.record.figures.get("monitored")
    if found is None:
        return {}
    score = {key: found[key] for key in ("value", "low", "high")}
    return {"epoch": found["epoch"], f"chosen by {found['benchmark']}": score}


def _draw(done: TrainedNetwork) -> dict[str, str]:
    """Draw the curve beside its CSV, where matplotlib is installed."""
    if importlib.util.find_spec("matplotlib") is None:
        return {}
    import pandas as pd

    from brainbench.plot.style import save
    from brainbench.plot.training_curves import training_curve

    path = done.path.with_suffix(".png")
    save(training_curve(pd.read_csv(done.curve)), path)
    return {"figure": str(path)}


def _print(row: dict[str, Any], *, as_json: bool) -> None:
    from brainbench.cli import console

    if as_json:
        console.print_json(row)
        return
    console.print_facts(
        {key: shown(value) for key, value in row.items() if value not in (None, [])}
    )


def shown(value: Any) -> Any:
    """Return a figure as text, with its interval if it has one."""
    if isinstance(value, dict):
        between = "no interval"
        if value["low"] is not None:
            between = f"{value['low']:.4f} to {value['high']:.4f}"
        n = f", n = {value['n']}" if "n" in value else ""
        return f"{value['value']:.4f} ({between}{n})"
    return f"{value:.4g}" if isinstance(value, float) else value
