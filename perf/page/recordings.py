"""Sections on real recordings and behavior."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from page.tables import ROOT, cell, figure, import_sets, measured, run, scores_by_benchmark, table

SETS = (
    "Cichy2014.*",
    "Geirhos2019.cueconflict-shapebias",
    "Geirhos2019edges.*",
    "Geirhos2019silhouettes.*",
    "Henaff2021.*",
)
RECORDED = ("Cowley2023", "Kriegeskorte2008", "Geirhos2019")
RECORDED_BENCHMARKS = "Cowley2023.*,Kriegeskorte2008.*,Geirhos2019.cueconflict-c*"
COMPARED_BENCHMARKS = "Cowley2023.*,Kriegeskorte2008.*"
RECORDED_MODELS = (
    "efficientnet_lite0",
    "efficientnet_lite1",
    "efficientnet_lite2",
    "pixels",
    "gabor",
    "cornet_s@untrained-0",
)
REAL_SETS = (
    "Cichy2014",
    "Geirhos2019",
    "Geirhos2019edges",
    "Geirhos2019silhouettes",
    "Henaff2021",
)
CURVATURE = "Henaff2021.V1-curvature"
LAYERS_OF_CURVATURE = {"efficientnet_lite0": "_blocks.1"}
"""Of several layers one is to be named: that which predicts best inside the training films of V1-ridge."""
SET_MODELS = ("pixels", "gabor", "efficientnet_lite0", "cornet_s@untrained-0")


def real_v4(folder: Path) -> list[str]:
    """Score networks on macaque V4, session by session, with layer curves."""
    figure_file = ROOT / "docs" / "layers_v4.png"
    report = measured(folder, "real_v4", "--figure", str(figure_file))
    sessions = [one["session"] for one in report["rows"][0]["sessions"]]
    rows = [
        (r["label"], *(figure(one["raw"]) for one in r["sessions"]), cell(r), str(r["n_units"]))
        for r in report["rows"]
    ]
    rows += [
        (f"*{name}, simpler*", *(figure(values[one], 2) for one in sessions), "", "")
        for name, values in report["simpler"].items()
    ]
    c = [figure(one["ceiling"]) for one in report["rows"][0]["sessions"]]
    rows.append(("*c*", *(text or "no single trials" for text in c), "", ""))
    alone = [(r["label"], cell(r), str(r["n_stimuli"])) for r in report["one"]]
    null = report["null"]
    ceiled = ", ".join(f"{name} {cell(r)}" for name, r in report["brainscore"].items())
    return [
        "## Macaque V4: Cowley2023",
        "",
        "`python perf/real_v4.py`, protocol paper: median over neurons of the mean r over ten folds, 95 % "
        "interval in brackets. *Simpler* is an analysis without this program (PCA to 200, ridge, one 80/20 "
        "split). Only session 210325 has single trials, so only it has a ceiling; sqrt(c) is the most that a "
        "noise-free model reaches there.",
        "",
        *table(("model", *sessions, "all sessions", "neurons"), rows),
        "Session 210325 alone; the weights of `cornet_s@untrained-0` are seeded random numbers.",
        "",
        *table(("model", "r", "images"), alone),
        f"Images shuffled over the whole set, EfficientNet-Lite0 block 10 on 210325: {null['mean']:.3f} "
        f"(SD {null['sd']:.3f}, {null['n_draws']} shuffles, p = {null['p']:.3g}).",
        "",
        f"Protocol brainscore, r2/c over the 50 neurons of 210325: {ceiled}.",
        "",
        "Score of each block inside the training images, by which the choice is made fold by fold; the band "
        "is the standard deviation over the ten splits:",
        "",
        "![Score of each block](layers_v4.png)",
        "",
    ]


def real_measures(folder: Path) -> list[str]:
    """Score networks and simple models on published recordings and choices, and compare them."""
    import_sets(folder, RECORDED)
    results = str(folder / "results")
    command = ("brainbench", "score", "-m", ",".join(RECORDED_MODELS), "-b", RECORDED_BENCHMARKS)
    text, _ = run(folder, *command, "--format", "json", "-o", results, may_miss=True)
    compare = ("brainbench", "compare", *RECORDED_MODELS, "-b", COMPARED_BENCHMARKS)
    said, _ = run(folder, *compare, "-o", results, may_miss=True)
    return real_measures_section(json.loads(text), said)


def real_measures_section(scores: list[dict[str, Any]], compared: str) -> list[str]:
    """Return the section of these scores, and of what `brainbench compare` says of them."""
    return [
        "## Networks and simple models on published data",
        "",
        f"`brainbench score -m {','.join(RECORDED_MODELS)} -b '{RECORDED_BENCHMARKS}'`, protocol paper.",
        "",
        *scores_by_benchmark(scores),
        "Without c: Cowley2023.V4-pls and V4-ridge, since only one of four sessions has single trials; "
        "Kriegeskorte2008.IT-rsa, of which one RDM was published; error consistency, beside which stands "
        "that among people, a reference and no ceiling.",
        "",
        f"`brainbench compare {' '.join(RECORDED_MODELS)} -b '{COMPARED_BENCHMARKS}'`",
        "",
        "```",
        *compared.rstrip().splitlines(),
        "```",
        "",
    ]


def real_sets(folder: Path) -> list[str]:
    """Score networks and simple models on people's fMRI and choices, and on films."""
    import_sets(folder, REAL_SETS)
    command = ("brainbench", "score", "-m", ",".join(SET_MODELS), "-b", ",".join(SETS))
    results = ("--format", "json", "-o", str(folder / "results"))
    text, _ = run(folder, *command, *results, may_miss=True)
    scores = json.loads(text)
    for model, layer in LAYERS_OF_CURVATURE.items():
        named = ("brainbench", "score", "-m", model, "-b", CURVATURE, "--layers", f"V1={layer}")
        text, _ = run(folder, *named, *results)
        scores = with_layer_named(scores, json.loads(text))
    return real_sets_section(scores)


def with_layer_named(
    scores: list[dict[str, Any]], named: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the scores with those of a named layer in the place of the same model and benchmark."""
    by_key = {(score["model"], score["benchmark"]): score for score in (*scores, *named)}
    return list(by_key.values())


def real_sets_section(scores: list[dict[str, Any]]) -> list[str]:
    """Return the section of scores on these sets."""
    models = list(dict.fromkeys(score["model"] for score in scores))
    return [
        "## People and films",
        "",
        f"`brainbench score -m {','.join(models)} -b '{','.join(SETS)}'`, protocol paper.",
        "",
        *scores_by_benchmark(scores),
        "Without c: shape bias and error consistency, beside which stand those of people, references and no "
        "ceilings; curvature, whose estimates from halves of the trials are not correlated with each other. "
        "The units of shape bias are the answers that name shape or texture, of the first model.",
        "",
        *_shape_and_texture(scores),
        *_people_and_films(scores),
    ]


def _shape_and_texture(scores: list[dict[str, Any]]) -> list[str]:
    """Tabulate what models go by where shape and texture conflict; empty without such scores."""
    asked = [s for s in scores if s["benchmark"].endswith("-shapebias") and s["value"] is not None]
    if not asked:
        return []
    counted = ("shape_answers", "texture_answers", "other_answers")
    rows = [(s["model"], *(s["figures"][name] for name in counted), cell(s)) for s in asked]
    of_people = asked[0]["figures"]
    low, high = of_people["intervals"]["shape_bias_of_subjects"]
    return [
        "Answers of the read-outs to the cue-conflict images, and the shape bias that they make. People: "
        f"{figure(of_people['shape_bias_of_subjects'])} [{figure(low)}, {figure(high)}].",
        "",
        *table(("model", "by shape", "by texture", "by neither", "shape bias"), rows),
    ]


def _people_and_films(scores: list[dict[str, Any]]) -> list[str]:
    """Say how consistent people are with each other, and tabulate how layers and V1 bend films."""
    known = {s["benchmark"]: s["figures"] for s in scores if s["value"] is not None}
    among = [
        f"{name} {figure(figures['reference'])}"
        for name, figures in known.items()
        if name.endswith("-consistency")
    ]
    bent = [s for s in scores if s["benchmark"].endswith("-curvature") and s["value"] is not None]
    lines = [f"Error consistency among people: {', '.join(among)}.", ""] if among else []
    if bent:
        of_brain = bent[0]["figures"]
        rows = [(s["model"], figure(s["figures"]["layer_change_same_films"], 1)) for s in bent]
        rows.append(("V1, cross-validated", figure(of_brain["brain_change"], 1)))
        lines += [
            f"Curvature of {of_brain['films_compared']} natural films less that of their pixels, mean, in "
            "degrees (the model `pixels` resizes them); of several layers one is named, that which predicts "
            "best inside the training films of "
            f"V1-ridge ({', '.join(f'{model} {layer}' for model, layer in LAYERS_OF_CURVATURE.items())}):",
            "",
            *table(("", "change"), rows),
        ]
    return lines


def brain_alone(folder: Path) -> list[str]:
    """Tabulate the decoding of objects from IT over time, without a model."""
    picture = ROOT / "docs" / "brain_alone.png"
    report = measured(folder, "brain_alone", "--figure", str(picture))
    rows = [
        (
            f"{start} to {end}",
            f"{figure(report['accuracy'][k])} [{figure(report['accuracy_low'][k])}, "
            f"{figure(report['accuracy_high'][k])}]",
            figure(report["split_half"][k], 2),
            figure(report["reliability"][k], 2),
        )
        for k, (start, end) in enumerate(report["bins"])
    ]
    return [
        "## IT alone: when the object can be read",
        "",
        f"`python perf/brain_alone.py`: {report['what']}. The pictures were not published, so no model can "
        f"be scored. Chance {figure(report['chance'])}; halfway to the peak at {report['rise_ms']:.0f} ms.",
        "",
        *table(("ms", "object named, 95 %", "split-half r", "Spearman-Brown"), rows),
        "![Decoding over time](brain_alone.png)",
        "",
    ]
