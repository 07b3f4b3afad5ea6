import re
import tomllib
from pathlib import Path

import brainbench_fake
import pytest

from brainbench.core.dataset import Dataset
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.data.manifest import Manifest, manifest, open_dataset


def test_the_bundled_manifest():
    declared = manifest("Simulated")
    assert declared.simulated
    assert declared.name == "Simulated"
    assert declared.parameters["sites"] == {"V1": 40, "V2": 40, "V4": 64, "IT": 96}


def test_the_loader_gets_the_manifest(plugin):
    loaded = open_dataset("FakeStored")
    assert isinstance(loaded, Dataset)
    assert (loaded.name, loaded.n) == ("FakeStored", 12)


def test_data_itself_is_left_alone():
    data = brainbench_fake.FakeData()
    assert open_dataset(data) is data


def test_unknown_data(plugin):
    with pytest.raises(UnknownNameError, match="'FakeStore'") as caught:
        open_dataset("FakeStore")
    assert "FakeStored" in caught.value.allowed


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"license": ...}, "license"),
        ({"simulated": "perhaps"}, "simulated"),
        ({"color": "red"}, "color"),
        ({"parameters": 3}, "parameters"),
    ],
)
def test_a_wrong_manifest_says_which_entry(plugin, monkeypatch, change, where):
    table = {**brainbench_fake.MANIFEST, **change}
    table = {key: value for key, value in table.items() if value is not ...}
    monkeypatch.setattr(brainbench_fake, "MANIFEST", table)
    with pytest.raises(InputError, match=f"'FakeStored': {where}: ") as caught:
        manifest("FakeStored")
    assert ", ".join(Manifest.model_fields) in caught.value.allowed


def test_a_loader_that_does_not_exist(plugin, monkeypatch):
    table = {**brainbench_fake.MANIFEST, "loader": "brainbench_fake:lost"}
    monkeypatch.setattr(brainbench_fake, "MANIFEST", table)
    with pytest.raises(InputError, match="brainbench_fake:lost"):
        open_dataset("FakeStored")


SOURCE = {"repository": "a/b", "commit": "0123456"}
FILE = {"path": "a.nc", "url": "https://example.org/a.nc"}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"files": [{**FILE, "color": "red"}]}, "files.0.color"),
        ({"files": [{**FILE, "url": "ftp://example.org/a"}]}, "files.0.url"),
        ({"files": [{**FILE, "path": "../a"}]}, "files.0.path"),
        ({"files": [{**FILE, "path": "/a"}]}, "files.0.path"),
        ({"files": [{**FILE, "path": "C:\\a"}]}, "files.0.path"),
        ({"files": [{**FILE, "checksum": "sha1:12345678"}]}, "files.0.checksum"),
        ({"files": [{**FILE, "bytes": 0}]}, "files.0.bytes"),
        ({"repositories": [{**SOURCE, "names": ["../x"]}]}, "names.0"),
        ({"repositories": [{**SOURCE, "to": "../x"}]}, "repositories.0.to"),
        ({"repositories": [{**SOURCE, "commit": "main"}]}, "repositories.0.commit"),
        ({"repositories": [{**SOURCE, "repository": "https://a.b/c"}]}, "0.repository"),
        ({"facts": {"degres": 8}}, "facts.degres"),
        ({"access": "secret"}, "access"),
        ({"bibtex": "Nobody, 2026"}, "bibtex"),
        ({"bibtex": "@misc{a, note = {x}"}, "bibtex"),
    ],
)
def test_a_wrong_entry_of_files_and_facts_is_named(plugin, monkeypatch, change, where):
    monkeypatch.setattr(brainbench_fake, "MANIFEST", {**brainbench_fake.MANIFEST, **change})
    with pytest.raises(InputError, match=where):
        manifest("FakeStored")


def test_two_files_in_the_same_place(plugin, monkeypatch):
    monkeypatch.setattr(
        brainbench_fake, "MANIFEST", {**brainbench_fake.MANIFEST, "files": [FILE, FILE]}
    )
    with pytest.raises(InputError, match=r"a\.nc twice"):
        manifest("FakeStored").published_files()


def test_the_manifest_in_the_docs(plugin, monkeypatch):
    text = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    table = tomllib.loads(block.replace("sha256:...", f"sha256:{'0' * 64}"))
    monkeypatch.setattr(brainbench_fake, "MANIFEST", table)
    declared = manifest("FakeStored")
    assert declared.published_files()[0].addresses[1:] == ("https://example.com/copy.nc",)
    assert declared.facts.sites == {"IT": 96}
