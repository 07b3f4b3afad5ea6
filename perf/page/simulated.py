"""Scores on the simulated brain, and how hard it is."""

from __future__ import annotations

import json
from pathlib import Path

from page.commands import cost
from page.tables import ROOT, figure, measured, run, scores_by_benchmark, table

MODELS = "cornet_s@untrained-0,pixels,simulated_population,simulated_readout"
BRAINSCORE = "Simulated.*-pls,Simulated.behaviour-i2n,Simulated.*-dynamics,Simulated.IT-ost"
NETWORKS = "cornet_*@untrained-0,convrnn_rgc_*,ff6,pixels,gabor"


def simulated(folder: Path) -> list[str]:
    """Every measure on the simulated brain, both protocols."""
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
        lines += [f"### Protocol {protocol}", "", *scored(folder, MODELS, benchmarks, protocol)]
    return lines


def models(folder: Path) -> list[str]:
    """Recurrent and static networks side by side."""
    return [
        "## Networks side by side",
        "",
        "All weights are seeded random numbers, and the brain is simulated: the table shows that every "
        "network runs through every measure, not which is like a brain.",
        "",
        *scored(folder, NETWORKS, "Simulated.*", "paper"),
    ]


def scored(folder: Path, models: str, benchmarks: str, protocol: str) -> list[str]:
    """The command, its table and its cost."""
    command = f"brainbench score -m {models} -b {benchmarks} --protocol {protocol} --format json"
    text, said = run(folder, *command.split(), "-o", str(folder / "results"), may_miss=True)
    return [f"`{command}`", "", *scores_by_benchmark(json.loads(text)), cost(said), ""]


def difficulty(folder: Path) -> list[str]:
    """How hard the simulated objects are to recognise."""
    found = measured(folder, "difficulty")
    rows = [(name, figure(value)) for name, value in found.items()]
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
    """Score against number of images."""
    found = measured(folder, "curve", "--figure", str(ROOT / "docs" / "curve.png"))
    columns = ("region", "model", *(f"{n} images" for n in found["images"]))
    rows = [(r["region"], r["model"], *(figure(v) for v in r["share"])) for r in found["rows"]]
    return [
        "## How many images a score needs",
        "",
        f"`python perf/curve.py`: {found['what']}",
        "",
        *table(columns, rows),
        "![Score against number of images](curve.png)",
        "",
    ]
