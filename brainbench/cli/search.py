"""`brainbench search`: architectures are drawn from a space, and each is trained for a short while."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli import options
from brainbench.cli.fit import Device
from brainbench.cli.train import Data

if TYPE_CHECKING:
    from brainbench.training.search_space import SearchSpace
    from brainbench.training.study import Study


def search(
    space: Annotated[
        str, typer.Argument(metavar="SPACE", help="convrnn_small_space, convrnn_space.")
    ],
    data: Data,
    trials: Annotated[
        int, typer.Option(min=1, metavar="N", help="Networks that are trained in all.")
    ] = 60,
    images: Annotated[
        int | None,
        options.text_option("--images", metavar="N", help="So many of the training images."),
    ] = None,
    recipe: Annotated[
        str | None,
        options.text_option("--recipe", metavar="NAME", help="By default the proxy of the space."),
    ] = None,
    settings: Annotated[
        list[str],
        options.text_option(
            "--set", metavar="NAME=VALUE", help="Option of the recipe, as epochs=5."
        ),
    ] = options.NONE,
    random: Annotated[
        int, typer.Option(min=1, metavar="N", help="Trials at random before TPE begins.")
    ] = 20,
    prune: Annotated[
        bool, typer.Option("--prune", help="End trainings that are below the median of the others.")
    ] = False,
    window: Annotated[
        int, typer.Option(min=2, metavar="K", help="Trials of the running mean and shares.")
    ] = 20,
    output: Annotated[
        Path | None,
        options.text_option(
            "-o", "--output", metavar="FILE", help="The study, by default SPACE.study."
        ),
    ] = None,
    workers: options.Workers = 1,
    scheduler: Annotated[
        str | None,
        options.text_option(
            "--scheduler", metavar="ADDRESS", help="Train on the workers of this scheduler of dask."
        ),
    ] = None,
    device: Device = "auto",
    csv: options.Csv = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Search among architectures by TPE; each trial is stored at once.

    The same command goes on where it stopped; given at once in several places,
    on one file, they share the trials. Train what was found to the end:
    brainbench train SPACE.study:best --data DIR (or :median, :random, :17)
    Exit status: 0; 1 if some trials failed; 2 for wrong usage.
    """
    from brainbench.cli import console
    from brainbench.core import progress

    console.start_logging(verbose=False)
    options.writable_file(csv, "--csv")
    with console.loading(quiet=quiet):
        from brainbench.training.options import read_settings
        from brainbench.training.recipes import recipe_named
        from brainbench.training.search import Search, run_search
        from brainbench.training.search_space import load_space
        from brainbench.training.study import SUFFIX, read_study

    declared = load_space(space)
    file = output or Path(f"{space}{SUFFIX}")
    planned = Search(
        space=space,
        data=data,
        recipe=recipe_named(recipe or declared.recipe, read_settings(settings)),
        file=file,
        images=images,
        random=random,
        prune=prune,
        device=device,
    )
    failed = False
    with progress.use(console.reporter(quiet=quiet)):
        for report in run_search(planned, trials, workers=workers, scheduler=scheduler):
            result = report.reason or f"top-1 {report.top1:.4f}"
            why = "; ".join(filter(None, [report.diverged, "pruned" if report.is_pruned else ""]))
            print(
                f"trial {report.number}: {result}" + (f" ({why})" if why else ""), file=sys.stderr
            )
            failed |= bool(report.reason)
    study = read_study(file)
    if csv is not None:
        with options.writing_csv(csv, todo="give another path"):
            study.trials.to_csv(csv)
    _show(study, declared, file, window, as_json=as_json)
    raise typer.Exit(int(failed))


def _show(study: Study, space: SearchSpace, file: Path, window: int, *, as_json: bool) -> None:
    """Print what the search came to, and draw its figures where matplotlib is installed."""
    from brainbench.cli import console
    from brainbench.cli.train import shown
    from brainbench.training import search_summary

    row: dict[str, Any] = {"study": str(file)}
    if len(study.trials):
        row |= search_summary.facts(study)
        if importlib.util.find_spec("matplotlib") is not None:
            row["figure"] = str(draw_search(study, space, file.with_suffix(".png"), window))
    if as_json:
        console.print_json(row)
        return
    console.print_facts({key: shown(value) for key, value in row.items() if value is not None})


def draw_search(study: Study, space: SearchSpace, path: Path, window: int) -> Path:
    """Draw accuracy over trials and parameters, share and gain of each feedback, and the best cell."""
    from brainbench.plot import search_figures as figures
    from brainbench.plot import style
    from brainbench.training import search_summary as summary

    trials, width = study.trials, 2 * style.COLUMN
    with style.styled():
        figure = style.new_figure(width=width, height=165.0)
        axes = figure.subplot_mosaic(
            [["progress", "sizes"], ["shares", "gains"], ["motif", "motif"]],
            height_ratios=[1.0, 1.0, 1.3],
        )
        progress = summary.progress_of(trials, window=window)
        figures.search_progress(progress, window=window, ax=axes["progress"])
        figures.search_sizes(trials, ax=axes["sizes"])
        shares = summary.shares_in_window(trials, space.switches, window=window)
        if len(shares):
            figures.search_shares(shares, window=window, ax=axes["shares"])
        else:
            axes["shares"].set_axis_off()
        figures.search_gains(summary.gains(trials, space.switches), ax=axes["gains"])
        figures.search_motif(summary.motif_among_best(trials, space.motif), ax=axes["motif"])
        return style.save(figure, path)
