"""The campaign of damaged files, with few inputs; the program beside it takes any number."""

import pytest
from fuzz_readers import CRASH, FAULTS, FOREIGN, LATE, OWN, campaign, table
from readers import READERS, Reader


@pytest.mark.slow
def test_no_damaged_file_is_more_than_an_error_of_the_project(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path))
    counts = campaign(10 * len(READERS))
    assert {name: count.n_faults for name, count in counts.items()} == dict.fromkeys(counts, 0), (
        table(counts)
    )
    assert all(count.outcomes.total() == 10 for count in counts.values())


def make(folder):
    (folder / "a").write_bytes(b"valid")


def reader(read):
    return Reader(name="a reader", make=make, read=read)


def loop(folder):
    while (folder / "a").read_bytes() != b"valid":
        pass
    return ""


def crash(folder):
    import os

    if (folder / "a").read_bytes() != b"valid":
        os.abort()
    return ""


def raise_foreign(folder):
    if (folder / "a").read_bytes() != b"valid":
        raise KeyError("a key")
    return ""


@pytest.mark.parametrize(
    ("read", "fault"), [(loop, LATE), (crash, CRASH), (raise_foreign, FOREIGN)]
)
def test_a_reader_at_fault_is_found_out(tmp_path, monkeypatch, read, fault):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path))
    (count,) = campaign(3, readers=[reader(read)], seconds=0.2).values()
    assert count.outcomes[fault] >= 2
    assert count.outcomes.total() == 3
    assert count.outcomes[OWN] == 0
    assert {text.partition(":")[0] for text in count.faults} == {fault} <= set(FAULTS)
