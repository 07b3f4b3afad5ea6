"""`brainbench evaluate`: how well a network classifies images."""

from __future__ import annotations

from typing import Annotated

import typer

from brainbench.cli import options
from brainbench.cli.fit import Device
from brainbench.cli.train import Data, Model, shown


def evaluate(
    model: Model,
    data: Data,
    part: Annotated[str, typer.Option(metavar="PART", help="val or train.")] = "val",
    model_args: options.ModelArgs = options.NONE,
    weights: options.Weights = None,
    device: Device = "auto",
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Show how well a network classifies images: top-1 and top-5 with 95 % intervals.

    A recurrent network is evaluated at every step too. Classes are in the
    alphabetical order of their folders, as in ImageNet.
    """
    from brainbench.cli import console
    from brainbench.core import progress
    from brainbench.core.errors import unknown

    console.start_logging(verbose=False)
    with console.loading(quiet=quiet):
        from brainbench.run.loading import model_with
        from brainbench.training.classification import Classifier
        from brainbench.training.evaluate import evaluate as evaluated
        from brainbench.training.fit import device_named
        from brainbench.training.image_data import PARTS, open_image_data

    if part not in PARTS:
        raise unknown("part", part, PARTS, todo="give --part val or --part train")
    placed, images = device_named(device), open_image_data(data)
    arguments = options.model_args(model_args)
    chosen = arguments if weights is None else options.with_weights(arguments, weights)
    with progress.use(console.reporter(quiet=quiet)):
        classifier = Classifier.of(model_with(model, chosen), placed)
        found = evaluated(classifier, images, part=part).config()
    if as_json:
        console.print_json({"model": classifier.name, **found})
        return
    steps = {f"top-1, step {t}": shown(one) for t, one in enumerate(found["steps"] or ())}
    facts = {"model": classifier.name, "top-1": shown(found["top1"])}
    facts |= {} if found["top5"] is None else {"top-5": shown(found["top5"])}
    console.print_facts(facts | steps)
