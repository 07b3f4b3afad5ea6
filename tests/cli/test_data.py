"""`brainbench data` and `brainbench cite`, inside this process, on the data folder of each test."""

import hashlib
import json

import brainbench_fake
import pytest
from server import serving

import brainbench_manifests
from brainbench.cli.data_facts import facts_of
from brainbench.data import fetch, transfer
from brainbench.data.manifest import manifest

CONTENT = b"id,answer\n1,2\n" * 1000


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(transfer, "PAUSE_SECONDS", 0.01)
    return tmp_path / "kept"


@pytest.fixture
def study(plugin, monkeypatch):
    """The data set Study, whose one file is on a server on this machine, which is returned."""
    with serving() as served:
        served.files["/answers.csv"] = CONTENT
        digest = hashlib.sha256(CONTENT).hexdigest()
        file = {
            "path": "answers.csv", "url": f"{served.url}/answers.csv",
            "bytes": len(CONTENT), "checksum": f"sha256:{digest}",
        }  # fmt: skip
        table = {
            "name": "Study", "title": "Invented answers", "license": "CC0",
            "citation": "Nobody et al., 2026, doi:10.1234/none", "alternative": "StudyPublic",
            "files": [file],
        }  # fmt: skip
        monkeypatch.setattr(brainbench_fake, "MANIFEST", table)
        monkeypatch.setattr(brainbench_fake, "data", lambda: {"Study": "brainbench_fake:MANIFEST"})
        monkeypatch.delenv(fetch.OFFLINE)
        served.table = table
        yield served


def test_a_data_set_comes_is_checked_and_goes(call, study, data_folder):
    row = json.loads(call("data", "list", "Study", "--json").out)[0]
    assert (row["state"], row["get it with"]) == ("data not here", "brainbench data fetch Study")
    done = call(*row["get it with"].split()[1:])
    assert (done.status, done.err) == (0, "")
    assert str(data_folder / "Study/published") in done.out
    row = json.loads(call("data", "list", "Study", "--json").out)[0]
    assert (row["state"], row["get it with"]) == ("files here", "")
    assert "here already" in call("data", "fetch", "Study").err
    assert call("data", "verify", "Study").status == 0
    done = call("data", "remove", "Study")
    assert done.status == 0
    assert str(data_folder / "Study") in done.out
    assert list(data_folder.iterdir()) == []
    assert call("data", "remove", "Study").status == 2


def test_a_damaged_file_is_named_with_the_command_that_repairs_it(call, study, data_folder):
    call("data", "fetch", "Study")
    path = data_folder / "Study/published/answers.csv"
    path.write_bytes(CONTENT[:-1])
    for verb in (("data", "verify"), ("data", "verify", "Study"), ("verify", "--data")):
        done = call(*verb)
        assert done.status == 1
        assert f"damaged: {path}" in done.out
        assert "brainbench data fetch Study" in done.out
    [kind] = json.loads(call("data", "verify", "--format", "json").out)
    assert (kind["kept"], kind["damaged"]) == ("data", 1)
    assert call("data", "fetch", "Study").status == 0
    assert call("data", "verify").status == 0
    (path.parent / "checksums.json").write_text("{")
    assert call("data", "verify").status == 1
    assert call("data", "fetch", "Study").status == 0
    assert call("data", "verify").status == 0


@pytest.mark.parametrize("arguments", [("data", "fetch", "Study", "--offline"),
                                       ("--offline", "data", "fetch", "Study")])  # fmt: skip
def test_offline_says_what_is_missing(call, study, monkeypatch, arguments):
    monkeypatch.setenv(fetch.OFFLINE, "0")
    done = call(*arguments)
    assert done.status == 2
    assert "1 of 1" in done.err
    assert "answers.csv" in done.err
    assert study.asked == []


def test_files_of_a_stick(call, study, tmp_path):
    (tmp_path / "answers.csv").write_bytes(CONTENT)
    assert call("data", "fetch", "Study", "--from", tmp_path, "--offline").status == 0
    assert study.asked == []
    assert call("data", "remove", "Study").status == 0
    assert call("data", "import", "Study", "--from", tmp_path).status == 0
    assert call("data", "verify").status == 0


def test_restrictive_terms(call, study):
    study.table |= {"restrictive": True, "license": "to be looked at only"}
    done = call("data", "fetch", "Study")
    assert done.status == 2
    assert "to be looked at only" in done.err
    assert "--accept-license" in done.err
    assert call("data", "fetch", "Study", "--accept-license").status == 0


def test_a_private_file(call, study):
    study.status["/answers.csv"] = [403]
    done = call("data", "fetch", "Study")
    assert done.status == 2
    assert "brainbench data fetch StudyPublic" in done.err


def test_of_several_data_sets_one_that_fails_does_not_stop_the_others(call, study):
    done = call("data", "fetch", "Kubilius2019objects", "Study")
    assert done.status == 2
    assert "Study is here" in done.out
    assert "1 of 2" in done.err
    assert "on request" in done.err


def test_limits(call, study):
    done = call("data", "fetch", "Study", "--max-gb", "0.000001")
    assert done.status == 2
    assert "1000" in done.err


@pytest.mark.parametrize("verb", ["show", "fetch", "remove", "verify"])
@pytest.mark.parametrize("name", ["Stady", "..", "a/b"])
def test_a_name_that_is_none(call, study, verb, name):
    done = call("data", verb, name)
    assert done.status == 2
    assert repr(name) in done.err


def test_removing_stays_inside_the_data_folder(call, study, data_folder):
    data_folder.mkdir()
    (data_folder.parent / "precious").mkdir()
    (data_folder / ".hidden").mkdir()
    for name in ("../precious", ".", "..", "", ".hidden", str(data_folder.parent / "precious")):
        assert call("data", "remove", name).status == 2
    assert (data_folder.parent / "precious").is_dir()
    assert (data_folder / ".hidden").is_dir()


def test_an_absent_data_set_of_a_benchmark_is_named_with_its_command(call):
    for row in json.loads(call("list", "benchmarks", "Cowley2023.*,Fake.IT*", "--json").out):
        here = row["benchmark"].startswith("Fake")
        assert row["data"] == ("here" if here else "data not here")
        assert row["get it with"] == ("" if here else "brainbench data fetch Cowley2023")


def test_every_bundled_data_set_lists_and_cites(call):
    rows = {row["data"]: row for row in json.loads(call("data", "list", "--json").out)}
    assert set(brainbench_manifests.NAMES) <= rows.keys()
    assert {row["state"].partition(" (")[0] for row in rows.values()} == {"here", "data not here"}
    done = call("cite", *brainbench_manifests.NAMES)
    assert done.status == 0
    assert done.out.count("{") == done.out.count("}")
    assert done.out.startswith("@software{brainbench,")
    assert "10.1523/JNEUROSCI.5181-14.2015" in done.out


def test_every_bundled_data_set_shows():
    for name in brainbench_manifests.NAMES:
        facts = facts_of(manifest(name), state="here")
        assert facts["data"] == name
        assert facts["license"]
        assert json.dumps(facts)


def test_show_says_what_is_known_beforehand(call):
    out = call("data", "show", "FreemanZiemba2013").out
    for known in ("credentials", "FreemanZiemba2013public", "V1 102, V2 103", "wx5LB7Nq42SV74RQ8"):
        assert known in out


def test_cite_a_benchmark_a_model_and_a_stored_score(call, results_folder):
    done = call("cite", "Cowley2023.V4-ccnorm2", "gabor", "Study")
    assert done.status == 2
    assert "'Study'" in done.err
    out = call("cite", "Cowley2023.V4-ccnorm2", "gabor").out
    assert [line for line in out.splitlines() if line.startswith("@")] == [
        "@software{brainbench,", "@misc{Cowley2023,", "@misc{Zhang2020,", "@misc{Schoppe2016,",
        "@misc{Jones1987,", "@misc{Adelson1985,", "@misc{Heeger1992,",
    ]  # fmt: skip
    call("score", "-m", "fake", "-b", "Fake.IT-pls,Fake.V1-pls")
    [path] = results_folder.glob("Fake.IT-pls/*.json")
    for named in (path, results_folder):
        done = call("cite", named)
        assert done.status == 0
        assert "note = {Nobody, 2026}" in done.out
        assert done.out.count("@misc") == 1
    assert call("cite", results_folder / "none.json").status == 2


def test_cite_a_score_whose_model_is_not_here_any_more(call, results_folder, monkeypatch):
    call("score", "-m", "fake", "-b", "Fake.IT-pls")
    monkeypatch.setenv("FAKE_MODEL", "broken")
    [path] = results_folder.glob("Fake.IT-pls/*.json")
    monkeypatch.setattr(brainbench_fake, "models", dict)
    from brainbench.core import registry

    registry.entries.cache_clear()
    done = call("cite", path)
    assert done.status == 0
    assert "% model fake: " in done.out
    assert "Nobody, 2026" in done.out
