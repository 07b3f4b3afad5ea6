"""Scores on the simulated brain, and how hard it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from page.tables import ROOT, cell, figure, measured, run, table

REGIONS = ("V1", "V2", "V4", "IT")
MODELS = "cornet_s@untrained-0,pixels,simulated_maps,simulated_population,simulated_readout"


def simulated(folder: Path) -> list[str]:
    """Scores of every bundled model on the simulated brain, both protocols."""
    lines = [
        "## Scores on the simulated brain",
        "",
        "No animal was recorded, and the weights of `cornet_s@untrained-0` are seeded random numbers.",
        "Cells: value, 95 % interval in brackets. c is the split-half reliability of the sites, the most",
        "that a noise-free model reaches is sqrt(c); `simulated_readout` is that model.",
        "",
    ]
    for protocol, formula in (("paper", "raw r"), ("brainscore", "r2/c")):
        command = f"brainbench score -m {MODELS} -b Simulated.* --protocol {protocol} --format json"
        text, _ = run(folder, *command.split(), "-o", str(folder / "results"))
        scores = json.loads(text)
        lines += [f"### Protocol {protocol}: {formula}", "", f"`{command}`", ""]
        lines += score_table(scores)
    return lines


def score_table(scores: Sequence[dict[str, Any]]) -> list[str]:
    """One row per model, one column per region, the ceilings below."""
    cells = {(s["model"], s["benchmark"].split(".")[1].split("-")[0]): s for s in scores}
    models = list(dict.fromkeys(s["model"] for s in scores))
    rows = [[model, *(cell(cells[model, region]) for region in REGIONS)] for model in models]
    first = [cells[models[0], region] for region in REGIONS]
    c = [s["ceiling"] for s in first]
    rows.append(["*c*", *(figure(x) for x in c)])
    rows.append(["*sqrt(c)*", *(figure(x**0.5) for x in c)])
    rows.append(["*sites*", *(str(s["n_units"]) for s in first)])
    return table(("model", *REGIONS), rows)


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
