"""`brainbench compare`: which differences between models are significant, by their stored scores."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainbench.cli import options
from brainbench.core.settings import VARIANTS

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from brainbench.ranking.comparison import Comparison, OnBenchmark

ALL = ["all"]
SHOWN_MISSING = 10


def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL...",
            help="Two or more: names, comma lists, wildcards of stored names; "
            "net@untrained-0..4 is the mean over random seeds.",
            show_default=False,
        ),
    ],
    benchmark: Annotated[
        list[str],
        typer.Option(
            "-b",
            "--benchmark",
            metavar="BENCHMARK",
            help="Benchmark, wildcard or comma list; by default all that were scored.",
            show_default=False,
        ),
    ] = ALL,
    protocol: options.Protocol = "paper",
    test: Annotated[
        str | None,
        options.text_option(
            "--test",
            metavar="NAME",
            help="permutation: p of each pair, from exchanging the models image by image.",
        ),
    ] = None,
    output_format: options.Format = "table",
    csv: options.Csv = None,
    output: options.StoredResults = options.RESULTS,
    quiet: options.Quiet = False,
) -> None:
    """Compare models by the scores in a results folder: paired differences and ranks.

    All comparisons that are asked for share one error rate of 5 %.
    Nothing is scored; what is missing is named with the command that makes it.

    Exit status: 0; 1 if some score is missing; 2 for wrong usage, or nothing to compare.
    """
    options.one_of(output_format, ("table", "json"), "--format")
    options.one_of(protocol, VARIANTS, "--protocol")
    options.writable_file(csv, "--csv")

    from brainbench.cli import console

    with console.loading(quiet=quiet):
        from brainbench.core.untrusted_text import write_csv
        from brainbench.ranking.comparison import TESTS, compare_stored
        from brainbench.storage.results import Results

    if test is not None:
        options.one_of(test, TESTS, "--test")
    with console.working("comparing", quiet=quiet):
        made = compare_stored(Results(output), models, benchmark, protocol=protocol, test=test)
    if csv is not None:
        with options.writing_csv(csv, todo="give another path"):
            write_csv(made.to_frame(), csv)
    if output_format == "json":
        console.print_json(made.to_json())
    else:
        _print_tables(made)
    raise typer.Exit(int(bool(made.missing)))


def _print_tables(made: Comparison) -> None:
    from brainbench.cli import console
    from brainbench.cli.text import fitted

    out = console.stdout()
    pairs = made.to_frame()
    for one in made.benchmarks:
        mark = " ~" if one.simulated else ""
        images = f"{one.conditions.n_stimuli} images" if one.conditions.n_stimuli else "images"
        about = f"{one.benchmark}{mark}, {one.conditions.formula}, {images}"
        print(fitted(about, sys.stdout))
        out.print(_models(one))
        if _is_shown(one):
            print()
            out.print(_pairs(one, pairs[pairs["benchmark"] == one.benchmark]))
        print()
    print(fitted("\n".join(_notes(made, pairs)), sys.stdout))


def _is_shown(one: OnBenchmark) -> bool:
    from brainbench.ranking.comparison import SHOWN_MODELS

    return len(one.models) <= SHOWN_MODELS


def _models(one: OnBenchmark) -> Table:
    """Return a table of the models, best first, with ranks and letters."""
    from brainbench.cli.console import table_of
    from brainbench.core.digits import between_ranks, decimal

    table = table_of("", "model", figures=("score", "rank", "letters"))
    rows = sorted(enumerate(one.model_rows(), start=1), key=lambda row: -row[1]["value"])
    for number, row in rows:
        seeds = f" ({row['n_seeds']} seeds)" if row["n_seeds"] > 1 else ""
        rank = between_ranks(row["rank_low"], row["rank_high"])
        table.add_row(
            str(number), f"{row['model']}{seeds}", decimal(row["value"]), rank, row["letters"]
        )
    return table


def _pairs(one: OnBenchmark, pairs: pd.DataFrame) -> Table:
    """Return a table of all pairs, by the numbers of the models."""
    from brainbench.cli.console import table_of
    from brainbench.core.digits import between, decimal

    tested = bool(pairs["p"].notna().any())
    figures = ("difference", "95 % CI", "sees", *(("p", "p, Holm") if tested else ()))
    table = table_of("pair", "differ", figures=figures)
    for (j, k), row in zip(one.pairs, pairs.to_dict("records"), strict=True):
        interval = (row["ci_low"], row["ci_high"])
        table.add_row(
            f"{j + 1} - {k + 1}",
            "yes" if row["significant"] else "",
            decimal(row["difference"]),
            between(interval, approximate=row["ci_approximate"]),
            decimal(row["smallest_seen"]),
            *((_p(row["p"]), _p(row["p_holm"])) if tested else ()),
        )
    return table


def _p(value: Any) -> str:
    return "" if value != value else f"{value:.2g}"


def _notes(made: Comparison, pairs: pd.DataFrame) -> list[str]:
    """Return the family, what the columns mean, and what is missing."""
    from brainbench.core.marks import APPROXIMATE, THESE_ANIMALS
    from brainbench.ranking.comparison import family_words

    shown = any(_is_shown(one) for one in made.benchmarks)
    alone = " of each comparison alone, so that it may disagree with `differ`"
    alone = alone if made.family.n > 1 else ""
    texts = (
        (family_words(made), True),
        ("rank: every place that the data allow; a shared letter: no significant difference", True),
        (f"95 % CI{alone}; sees: the difference that is found with a chance of 80 %", shown),
        ("pairs of more than ten models: --csv FILE or --format json", not shown),
        ("p, Holm: p adjusted for all comparisons", bool(pairs["p"].notna().any())),
        (
            "FDR (BH) in --csv and --format json: dependence not proven; BY beside it holds under any",
            bool(pairs["p"].notna().any()),
        ),
        (APPROXIMATE, bool(pairs["ci_approximate"].any())),
        (
            "~ simulated brain: no animal was recorded",
            any(one.simulated for one in made.benchmarks),
        ),
        (THESE_ANIMALS, any(one.for_these_animals for one in made.benchmarks)),
    )
    lines = [text for text, needed in texts if needed]
    missing = [f"missing: {one}" for one in made.missing[:SHOWN_MISSING]]
    if len(made.missing) > SHOWN_MISSING:
        missing.append(f"missing: {len(made.missing) - SHOWN_MISSING} more, see --format json")
    return [*lines, *made.notes, *missing]
