"""BibTeX from citations, each work once."""

import pytest

from brainbench.run.citations import Entry, _distinct, entries_from_text, entry_of


@pytest.mark.parametrize(
    ("citation", "keys"),
    [
        ("Kar et al., 2019, Nat. Neurosci.; Kubilius et al., 2019, NeurIPS", ["Kar2019", "Kubilius2019"]),
        ("Procedure: Zhang et al., 2020, appendix C.4; data: simulated by brainbench", ["Zhang2020"]),
        ("none: the truth of brainbench's own simulated brain", []),
        ("Hénaff & Bai, 2021", ["Henaff2021"]),
        ("", []),
    ],
)  # fmt: skip
def test_an_entry_for_each_work_with_a_year(citation, keys):
    assert [entry.key for entry in entries_from_text(citation)] == keys


def test_doi_arxiv_and_special_characters():
    text = "Tan & Le 2019, 50 % of {it}, doi:10.1234/AB_c-1, arXiv:1905.11946"
    [entry] = entries_from_text(text)
    assert entry.doi == "10.1234/ab_c-1"
    assert r"Tan \& Le 2019, 50 \% of (it), doi:10.1234/AB\_c-1" in entry.bibtex
    assert "doi = {10.1234/AB_c-1}" in entry.bibtex
    assert "eprint = {1905.11946}" in entry.bibtex
    assert entry.bibtex.count("{") == entry.bibtex.count("}")


def test_each_work_once():
    first = entry_of("@article{Kar2019,\n  doi = {10.1/AB},\n}\n".replace("10.1/", "10.1234/"))
    again = Entry("Kar2019nn", "@misc{Kar2019nn,\n}\n", "10.1234/ab")
    unknown = Entry("Kar2019", "@misc{Kar2019,\n}\n")
    other = Entry("Kar2019", "@misc{Kar2019,\n}\n", "10.1234/other")
    third = Entry("Kar2019", "@misc{Kar2019,\n}\n", "10.1234/third")
    kept = _distinct([first, again, unknown, other, third])
    assert [entry.key for entry in kept] == ["Kar2019", "Kar2019b", "Kar2019c"]
    assert kept[1].bibtex.startswith("@misc{Kar2019b,")
