"""Every manifest of brainbench: valid, with addresses that can be asked for, and whom to cite."""

import re
from urllib.parse import urlsplit

import pytest

import brainbench_manifests
from brainbench.core.dataset import Dataset, Importable
from brainbench.data.importers.cowley import cowley
from brainbench.data.manifest import manifest, open_dataset

HASH = re.compile(r"(md5:[0-9a-f]{32}|sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64})")


@pytest.fixture(autouse=True)
def _away(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "nothing"))


@pytest.fixture(scope="module")
def declared():
    return [manifest(name) for name in brainbench_manifests.NAMES]


def test_the_sets_of_the_field_are_declared():
    wanted = (
        "MajajHong2015 MajajHong2015public MajajHong2015temporal FreemanZiemba2013 "
        "FreemanZiemba2013public Rajalingham2018 Rajalingham2018public Kar2019 Kar2018hvm Kar2018coco "
        "Kubilius2019objects Cadena2017 Papale2025 Henaff2021 Cichy2014 Cowley2023 Geirhos2019 "
        "Geirhos2019edges Geirhos2019silhouettes Geirhos2021 Kriegeskorte2008 ZhangDesimone2011 CIFAR10 "
        "CIFAR10H CIFAR100 Hebart2023 Allen2022 Li2026 LAIONfMRI Gifford2022 Sanghavi2020 "
        "Rajalingham2020 Marques2020 CORnetWeights ConvRNNWeights"
    )
    assert set(wanted.split()) <= set(brainbench_manifests.NAMES)


def test_each_opens_and_is_absent_with_one_command(declared):
    for one in declared:
        data = open_dataset(one.name)
        assert isinstance(data, Dataset)
        assert data.name == one.name
        assert len(data.version) == 64 or one.simulated
        if not one.simulated:
            assert isinstance(data, Importable)
            assert data.absent()
            verb = "fetch" if one.has_files else "show"
            assert data.command == f"brainbench data {verb} {one.name}"


def test_each_says_whom_to_cite_and_who_may_have_it(declared):
    for one in declared:
        assert one.license
        assert one.citation
        if not one.simulated:
            assert one.bibtex
            assert one.doi is None or one.doi in one.bibtex
            assert one.has_files or one.place
        if one.alternative:
            alternative = manifest(one.alternative)
            assert alternative.access == "public"
            assert alternative.has_files


def test_each_address_is_https_and_names_one_file(declared):
    for one in declared:
        for file in one.published_files():
            for address in file.addresses:
                assert urlsplit(address).scheme == "https"
            assert file.checksum is None or HASH.fullmatch(file.checksum)


def test_files_of_repositories_come_from_their_commit(declared):
    by_name = {one.name: one for one in declared}
    for name in ("Cowley2023", "Geirhos2019", "Kriegeskorte2008", "Henaff2021", "Cichy2014"):
        one = by_name[name]
        for file in one.published_files():
            assert file.url.startswith("https://raw.githubusercontent.com/")
            assert any(f"/{source.commit}/" in file.url for source in one.repositories)
    assert len(by_name["Henaff2021"].published_files()) == 6 + 1 + 440
    assert len(by_name["Cichy2014"].published_files()) == 2 + 92
    assert len(by_name["Geirhos2019"].published_files()) == 1280 + 10
    spaces = [f.url for f in by_name["Henaff2021"].published_files() if f.path.endswith(".csv")]
    assert spaces[0].endswith("/Acute%20data%20-%20combined_235x.csv")


def test_versions_of_objects_are_part_of_the_address(declared):
    by_name = {one.name: one for one in declared}
    first = by_name["FreemanZiemba2013public"].published_files()[0]
    assert first.addresses == (
        "https://brainscore-storage.s3.amazonaws.com/brainio-brainscore/"
        "assy_movshon_FreemanZiemba2013_public.nc?versionId=W2vx7jdh9utZdVumHHarXa4L1zOrA8Fd",
    )
    assert first.checksum == "sha1:761c08f796db4e342555cdb60eef23a4f19ead43"


def test_the_version_of_data_that_was_imported_before_is_the_same():
    # Stored scores have it in their key: whoever changes a manifest sees it here.
    versions = {name: open_dataset(name).version[:16] for name in (
        "Cowley2023", "Geirhos2019", "Kriegeskorte2008")}  # fmt: skip
    assert versions == {
        "Cowley2023": "9a4dc3da934f3682",
        "Geirhos2019": "8ac69b3f3b1ee899",
        "Kriegeskorte2008": "f28d5c9f716a6302",
    }


def test_checksums_of_an_importer_are_those_of_the_files():
    one = manifest("Cowley2023")
    checked = cowley(one).declared.sha256
    assert {file.path: file.checksum for file in one.published_files()} == {
        path: f"sha256:{digest}" for path, digest in checked.items()
    }


@pytest.mark.parametrize(
    ("name", "folder", "place"),
    [
        ("Cowley2023", "cowley_v4", ""),
        ("Kriegeskorte2008", "kriegeskorte92", ""),
        ("Henaff2021", "henaff2021_v1", ""),
        ("CIFAR10H", "cifar10_test_and_10h", ""),
    ],
)
@pytest.mark.slow
def test_the_published_files_are_those_of_the_manifest(shared, name, folder, place):
    given = shared(f"data/{folder}")
    data = open_dataset(name)
    data.import_from(given / place)
    assert data.absent() is None
