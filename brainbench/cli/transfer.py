"""`brainbench transfer`: how well a linear classifier on features of a network classifies other images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from brainbench.cli import options
from brainbench.cli.train import Model, shown
from brainbench.core.settings import Placement

_PEOPLE = {
    "cross_entropy": "cross-entropy to people",
    "least": "its least value",
    "uncertainty": "rank correlation of uncertainty",
}


@options.takes(Placement)
def transfer(
    model: Model,
    to: Annotated[str, typer.Option(metavar="IMAGES", help="cifar100, or cifar10.")] = "cifar100",
    data: Annotated[
        Path | None,
        options.text_option(
            "--data", metavar="PATH", help="The archive, or a folder; else the data folder."
        ),
    ] = None,
    layer: Annotated[
        str | None,
        options.text_option("--layer", metavar="NAME", help="By default that of choices."),
    ] = None,
    step: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Step of the layer; the last.")
    ] = None,
    weights: options.Weights = None,
    model_args: options.ModelArgs = options.NONE,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
    **given: Any,
) -> None:
    """Show how well a linear classifier on a network's features classifies.

    To CIFAR-100, as in Kubilius et al. 2019: brainbench data fetch CIFAR100
    To CIFAR-10 with the choices of people: --to cifar10 --data DIR
    """
    from brainbench.cli import console
    from brainbench.core import progress

    placement = options.read_options(Placement, given)
    console.start_logging(verbose=False)
    with console.loading(quiet=quiet):
        from brainbench.run.resolve import maker_options, one_model
        from brainbench.training.transfer_runs import TARGETS, transfer_run

    options.one_of(to, TARGETS, "--to")
    made = maker_options(options.model_args(model_args), weights)
    with progress.use(console.reporter(quiet=quiet)):
        network = one_model(model, (), placement, made)
        done = transfer_run(network, to, data=data, layer=layer, step=step).config()
    if as_json:
        console.print_json(done)
        return
    facts = {key: done[key] for key in ("model", "weights", "target", "layer", "step", "features")}
    facts |= {"C": f"{done['C']:.4g}", "accuracy": shown(done["accuracy"])}
    facts |= {"accuracy that chose C": shown(done["chosen_by"])}
    facts |= {text: shown(done[key]) for key, text in _PEOPLE.items() if key in done}
    console.print_facts(facts)
