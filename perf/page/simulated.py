"""Sections on the simulated brain: scores, difficulty, number of images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from page.commands import cost
from page.dynamics_table import side_by_side
from page.tables import ROOT, figure, measured, reasons, run, scores_by_benchmark, table

MODELS = "cornet_s@untrained-0,pixels,simulated_population,simulated_readout"
BRAINSCORE = "Simulated.*-pls,Simulated.behavior-i2n,Simulated.*-dynamics,Simulated.IT-ost"
NETWORKS = "cornet_*@untrained-0,convrnn_rgc_*@untrained-0,ff6@untrained-0,pixels,gabor"


def simulated(folder: Path) -> list[str]:
    """Score every measure on the simulated brain under both protocols."""
    lines = [
        "## Scores on the simulated brain",
        "",
        "No animal was recorded, and the weights of `cornet_s@untrained-0` are seeded random numbers.",
        "Cells: value, 95 % interval in brackets. c is the reliability that belongs to the measure (of the "
        "first model's row): where `score` is raw, the most that a noise-free model reaches is sqrt(c); "
        "`simulated_readout` is that model.",
        "",
    ]
    for protocol, benchmarks in (("paper", "Simulated.*"), ("brainscore", BRAINSCORE)):
        lines += [f"### Protocol {protocol}", "", *scored(folder, MODELS, benchmarks, protocol)[0]]
    return lines


def models(folder: Path) -> list[str]:
    """Score recurrent and static networks side by side."""
    lines, scores = scored(folder, NETWORKS, "Simulated.*", "paper")
    picture = ROOT / "docs" / "dynamics.png"
    return [
        "## Networks side by side",
        "",
        "All weights are seeded random numbers, the brain is simulated: the tables show that each network "
        "runs through every measure that has a layer to read, not which is like a brain.",
        "",
        *lines,
        "### Dynamics, recurrent and static",
        "",
        "`temporal r` is the correlation over time of single images, 50 to 250 ms. The gray band is the "
        "picture; a dashed line is a static network, which answers with one state as long as the picture is "
        "on. CORnet is shown the picture all the time; the ConvRNNs and `ff6`, which has no recurrence, are "
        "shown the pulse that the brain was.",
        "",
        *side_by_side(scores, picture),
        "![Dynamics bin by bin](dynamics.png)",
        "",
    ]


def scored(
    folder: Path, models: str, benchmarks: str, protocol: str
) -> tuple[list[str], list[dict[str, Any]]]:
    """Return the command with its table and cost, and the scores."""
    command = f"brainbench score -m {models} -b {benchmarks} --protocol {protocol} --format json"
    text, said = run(folder, *command.split(), "-o", str(folder / "results"), may_miss=True)
    scores = json.loads(text)
    table_of = [*scores_by_benchmark(scores), *reasons(scores)]
    return [f"`{command}`", "", *table_of, cost(said), ""], scores


def difficulty(folder: Path) -> list[str]:
    """Tabulate how hard the simulated objects are to recognize."""
    report = measured(folder, "difficulty")
    rows = [(name, figure(value)) for name, value in report.items()]
    return [
        "## How hard recognition is on the simulated scenes",
        "",
        "`python perf/difficulty.py`: accuracy of cross-validated multinomial logistic regression over the",
        "8 objects, chance .125; its penalty is chosen inside the training images.",
        "",
        *table(("read from", "accuracy"), rows),
        "![The simulated scenes](contact_sheet.png)",
        "",
    ]


def curve(folder: Path) -> list[str]:
    """Tabulate score against number of images."""
    report = measured(folder, "curve", "--figure", str(ROOT / "docs" / "curve.png"))
    columns = ("region", "model", *(f"{n} images" for n in report["images"]))
    rows = [(r["region"], r["model"], *(figure(v) for v in r["share"])) for r in report["rows"]]
    return [
        "## How many images a score needs",
        "",
        f"`python perf/curve.py`: {report['what']}",
        "",
        *table(columns, rows),
        "![Score against number of images](curve.png)",
        "",
    ]
