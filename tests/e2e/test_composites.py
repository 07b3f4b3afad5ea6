"""Composites on stand-ins of all their studies: every member has a value, and the mean a known truth."""

import json

import cowley_truth
import kar_files
import numpy as np
import objectome
import pytest
import standins

import brainbench_manifests
from brainbench.data.manifest import open_dataset
from brainbench.run.loading import load_composite

pytestmark = pytest.mark.slow
MEAN, MISSION = "mean-v1", "mission-v2"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The stand-ins, imported once; returns that of V4 and IT."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        majaj = standins.majaj(tmp_path_factory.mktemp("majaj"), "MajajHong2015")
        over_time = standins.majaj_temporal(
            tmp_path_factory.mktemp("over time"), "MajajHong2015temporalprivate"
        )
        for made in (majaj, over_time):
            made.register(patch)
            open_dataset(made.name).import_from(made.folder)
        folders = {
            name: tmp_path_factory.mktemp(name)
            for name in ("Rajalingham2018", "Kar2019", "Cowley2023")
        }
        kar_files.write_brain_score(folders["Kar2019"], kar_files.truth())
        tables = {
            "Rajalingham2018": objectome.write(folders["Rajalingham2018"]),
            "Kar2019": kar_files.declare(folders["Kar2019"], "Kar2019"),
            "Cowley2023": cowley_truth.write(folders["Cowley2023"]),
        }
        for name, table in tables.items():
            patch.setattr(brainbench_manifests, name.lower(), table, raising=False)
            open_dataset(name).import_from(folders[name])
        yield majaj


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


def scored(call, results, named):
    """Return the members' scores, by benchmark and formula, and the composites of one command."""
    status, out, err = call(
        "score", "-m", "pixels", "-b", named, "-o", results, "--format", "json", "-q"
    )
    assert status == 0, err
    rows = json.loads(out)
    members = {(row["benchmark"], row["formula"]): row for row in rows if row.get("benchmark")}
    return members, {row["composite"]: row for row in rows if "composite" in row}


def test_both_composites_in_one_command(call, recorded, results, session_cache):
    """A network of the pixels is right in all but solution times, of which it has none: 0 by definition."""
    members, composites = scored(call, results, f"{MEAN},{MISSION}")
    reached = {region: np.sqrt(np.median(recorded.sites[region].c)) for region in ("V4", "IT")}
    for region, truth in reached.items():
        raw = members[f"MajajHong2015.{region}-pls", "raw-v1"]["value"]
        assert 0.88 < raw / truth < 1.04
        ceiled = members[f"MajajHong2015.{region}-pls", "r/sqrt(c)-v1"]["value"]
        assert ceiled == pytest.approx(1, abs=0.12)
    assert members["Kar2019-ost", "raw-v1"]["value"] == 0
    behavior = members["Rajalingham2018-i2n", "raw-v1"]
    assert 0.85 < members["Rajalingham2018-i2n", "r/sqrt(c)-v1"]["value"] < 1
    assert members["MajajHong2015.IT-dynamics", "r/sqrt(c)-v1"]["value"] == pytest.approx(
        1, abs=0.06
    )
    assert members["Cowley2023.V4-ccnorm", "r/sqrt(c)-v1"]["value"] == pytest.approx(1, abs=0.06)
    truths = {
        MEAN: (reached["V4"] + reached["IT"] + np.sqrt(behavior["ceiling"])) / 4,
        MISSION: 5 / 6,
    }
    for name, truth in truths.items():
        of_members = [
            members[member.benchmark, member.formula]["value"]
            for member in load_composite(name).members
        ]
        found = composites[name]
        assert found["value"] == pytest.approx(np.mean(of_members), abs=1e-12)
        assert (found["k"], found["n"]) == (len(of_members), len(of_members))
        assert found["value"] == pytest.approx(truth, rel=0.09)


@pytest.mark.parametrize(("name", "n"), [(MEAN, 4), (MISSION, 6)])
def test_each_composite_in_a_command_of_its_own(call, recorded, results, session_cache, name, n):
    """What the other composite scored by another formula does not take its place."""
    members, composites = scored(call, results, name)
    assert len(members) == n
    assert list(composites) == [name]
    assert np.isfinite(composites[name]["value"])
    _, out, _ = call("leaderboard", "-o", results, "--composite", name, "--format", "json")
    (row,) = json.loads(out)
    assert row["composite"]["value"] == composites[name]["value"]
