"""Published recordings by the command line, on stand-ins: from a server to scores whose truth is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
import standins
from pydantic import ValidationError
from server import serving
from sklearn.cross_decomposition import PLSRegression

import brainbench_manifests
from brainbench import load_benchmark, load_model
from brainbench.core.assembly import average, time_average
from brainbench.core.settings import Settings
from brainbench.data import fetch
from brainbench.data.manifest import KnownFigure, open_dataset
from brainbench.run import known_answers
from brainbench.run.loading import load_composite
from brainbench.scoring.pipeline import score
from brainbench.stats.aggregate import median_then_mean
from brainbench.stats.ceiling import split_half
from brainbench.stats.splits import brainscore

FITTED = (0.88, 1.04)
"""A map that is fitted to noisy responses stays somewhat below the ceiling; c is estimated too."""


@pytest.fixture(scope="module", autouse=True)
def _registered(tmp_path_factory):
    """A stand-in in the place of the published set, imported once."""
    name = "MajajHong2015"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        made = standins.majaj(tmp_path_factory.mktemp(name), name)
        made.register(patch)
        open_dataset(name).import_from(made.folder)
        yield


@pytest.fixture(scope="module")
def over_time(_registered, tmp_path_factory):
    """The recording over time too."""
    name = "MajajHong2015temporalprivate"
    with pytest.MonkeyPatch.context() as patch:
        made = standins.majaj_temporal(tmp_path_factory.mktemp(name), name)
        made.register(patch)
        open_dataset(name).import_from(made.folder)
        yield


# --- the command line -----------------------------------------------------------------------------


def test_from_a_server_to_a_score(call, tmp_path, monkeypatch, cache_folder):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    monkeypatch.delenv(fetch.OFFLINE)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    name = "MajajHong2015public"
    made = standins.majaj(tmp_path, name)
    with serving() as served:
        made.register(monkeypatch, served.url)
        for file in made.declared.files:
            served.files[f"/{file.path}"] = (made.folder / file.path).read_bytes()
        status, out, _ = call("data", "fetch", name, "-q")
        assert (status, out.split(":")[0]) == (0, f"{name} is here")
    status, out, _ = call("data", "verify", name, "-q", "--format", "json")
    assert (status, json.loads(out)[0]["damaged"]) == (0, 0)
    _, out, _ = call("list", "benchmarks", f"{name}.*-pls", "--json")
    assert [row["data"] for row in json.loads(out)] == ["here", "here"]
    _, out, _ = call("data", "show", name, "--json")
    shown = json.loads(out)
    assert {f"{name}.{r}-{m}" for r in ("V4", "IT") for m in ("pls", "rsa", "ccnorm2")} <= set(
        shown["benchmarks"]
    )
    _, out, _ = call("cite", f"{name}.IT-pls")
    assert "@article{Majaj2015," in out
    status, out, _ = call(
        "score", "-m", "pixels", "-b", f"{name}.IT-pls", "-o", tmp_path / "results",
        "--format", "json", "-q",
    )  # fmt: skip
    (found,) = json.loads(out)
    assert status == 0
    truth = np.sqrt(np.median(made.sites["IT"].c))
    assert FITTED[0] < found["value"] / truth < FITTED[1]
    assert found["record"]["choices"]["degrees"] == 8
    assert found["record"]["choices"]["stratified"]


def test_known_answers_do_not_hold_on_a_stand_in(call):
    status, out, _ = call("data", "verify", "--known-answers", "MajajHong2015", "-q")
    assert status == 1
    assert "DIFFERS" in out
    text = " ".join(out.split())
    assert "6 known figures do not hold" in text
    assert "not checked: torchvision:alexnet" in text
    assert "no image 40a786ed8e13db10185ddfdbe07759d83a589e1c" in text
    assert max(len(line) for line in out.splitlines() if "-pls, " in line) <= 100
    assert [out.count(word) for word in ("DIFFERS", " not checked\n")] == [6, 2]


def test_known_answers_that_hold(call, monkeypatch):
    """Figures by scikit-learn and by the split-half over trials, of the stand-in's own files."""
    name, region = "MajajHong2015", "IT"
    data = open_dataset(name)
    recorded = time_average(data.recordings(region), (70, 170))
    responses = np.asarray(average(recorded).values, dtype=np.float64)
    stimuli = data.stimuli()
    by_split = []
    for train, test in brainscore(stimuli.ids, stimuli.labels("object_name")):
        order = np.sort(train)
        fitted = PLSRegression(25, scale=False)
        fitted.fit(responses[order], responses[order])
        predicted = fitted.predict(responses[test])
        pairs = zip(predicted.T, responses[test].T, strict=True)
        by_split.append(np.median([np.corrcoef(*pair)[0, 1] for pair in pairs]))
    expected = {
        "self": float(np.mean(by_split)),
        "ceiling": float(median_then_mean(split_half(recorded.values))),
    }
    known = [
        {"what": what, "of": f"{name}.{region}-pls", "expected": value, "tolerance": 0.003}
        for what, value in expected.items()
    ]
    known.append({"what": "images", "of": name, "expected": len(stimuli), "tolerance": 0})
    # On 16 degrees an image of 8 is a quarter of the field; a pixel counts as one of its three numbers.
    first = stimuli.picture(0)
    gray = (first == 128).all(axis=-1).mean()
    known.append(
        {
            "what": "gray",
            "of": stimuli.ids[0],
            "degrees": 16,
            "expected": (3 + gray) / 12,
            "tolerance": 1e-9,
        }
    )
    # Any network that has a name is scored in the same way.
    pixels = score(
        load_benchmark(f"{name}.{region}-pls"),
        load_model("pixels"),
        Settings(protocol="brainscore", formula="raw"),
    )
    known.append(
        {
            "what": "model",
            "of": f"{name}.{region}-pls",
            "network": "brainbench_trained",
            "layer": "pixels",
            "expected": pixels.value,
            "tolerance": 1e-9,
        }
    )
    monkeypatch.setattr(known_answers, "load_model", lambda name, weights: load_model("pixels"))
    table = {**getattr(brainbench_manifests, name.lower()), "known": known}
    monkeypatch.setattr(brainbench_manifests, name.lower(), table)
    status, out, _ = call("data", "verify", "--known-answers", name, "-q", "--format", "json")
    assert status == 0
    assert [row["holds"] for row in json.loads(out)] == [True] * 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"what": "gray"},
        {"what": "images", "degrees": 6},
        {"what": "model", "network": "torchvision:alexnet"},
        {"what": "self", "network": "torchvision:alexnet", "layer": "features.12"},
    ],
)
def test_known_figures_that_are_not_whole_are_refused(wrong):
    with pytest.raises(ValidationError, match="has"):
        KnownFigure.model_validate({"of": "x", "expected": 0.5, "tolerance": 0.1, **wrong})


def test_known_answers_of_what_is_not_here_or_not_known(call):
    status, _, err = call("data", "verify", "--known-answers", "Cadena2017", "-q")
    assert status == 2
    assert "Cadena2017 is not here" in err
    status, _, err = call("data", "verify", "--known-answers", "Geirhos2019", "-q")
    assert status == 2
    assert "no figure is known" in err


# --- dynamics -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("region", ["V4", "IT"])
def test_dynamics(region, over_time, session_cache):
    """The sites respond as a network without time does that begins when the benchmark says so."""
    benchmark = load_benchmark(f"MajajHong2015.{region}-dynamics")
    found = score(benchmark, load_model("pixels"), Settings())
    assert found.value == pytest.approx(1, abs=0.05)
    assert found.ci[0] < 1 < found.ci[1]
    first = {"V4": 50, "IT": 70}[region]
    used = np.array(found.figures["time_start"])[np.array(found.figures["bins_used"], dtype=bool)]
    assert used.tolist() == list(range(first, first + 100, 10))
    arrays = {"V4": {"V4"}, "IT": {"pIT", "cIT", "aIT"}}[region]
    assert set(found.figures["r_by_array"]) == arrays


@pytest.mark.slow
def test_dynamics_of_brainscore_never_use_the_last_10_ms(over_time, session_cache):
    """A state that holds at all times is right in the ten bins of the response, and by chance elsewhere."""
    benchmark = load_benchmark("MajajHong2015.IT-dynamics")
    found = score(benchmark, load_model("pixels"), Settings(protocol="brainscore"))
    assert found.figures["time_end"][-1] == 250  # of 260
    wider = replace(benchmark, window=(0, 260))  # the file says it, not the benchmark
    assert score(wider, load_model("pixels"), Settings(protocol="brainscore")).value == found.value
    r = np.array(found.figures["r"])
    assert r[7:17].mean() == pytest.approx(0.85, abs=0.03)
    assert np.abs(np.delete(r, range(7, 17))).max() < 0.1


# --- composites -----------------------------------------------------------------------------------


def test_members_of_the_composites_are_declared():
    for name in ("mean-v1", "mission-v2"):
        for member in load_composite(name).benchmarks:
            if member.startswith(("MajajHong2015", "Cowley2023")):
                assert load_benchmark(member).identifier == member


def test_benchmarks_of_a_study_are_named_for_the_data_that_they_read(call):
    """Data that has another name than the study: of a recording over time of MajajHong2015."""
    _, out, _ = call("data", "show", "MajajHong2015temporalprivate", "--json")
    assert json.loads(out)["benchmarks"] == [
        "MajajHong2015.V4-dynamics",
        "MajajHong2015.IT-dynamics",
    ]
