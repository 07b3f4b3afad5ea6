"""BibTeX of everything that a model, a benchmark, a data set or a stored score rests on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from brainbench import __version__
from brainbench.core import registry
from brainbench.core.errors import BrainbenchError, InputError
from brainbench.core.untrusted_text import visible
from brainbench.data.manifest import manifest
from brainbench.run.loading import load_benchmark, load_model
from brainbench.storage.results import Results

SOFTWARE = f"""@software{{brainbench,
  author = {{{{The brainbench developers}}}},
  title = {{brainbench: how much a neural network is like the primate ventral visual stream}},
  version = {{{__version__}}},
}}
"""
_YEAR = re.compile(r"\b(1[89]\d\d|20\d\d)\b")
_DOI = re.compile(r"\b10\.\d{4,9}/[^\s,;}]+")
_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
_LABEL = re.compile(r"^[A-Za-z ]+: ")
_SPECIAL = str.maketrans({c: f"\\{c}" for c in "&%$#_"})


@dataclass(frozen=True)
class Entry:
    """One BibTeX entry, its key, and the DOI by which works are told apart."""

    key: str
    bibtex: str
    doi: str | None = None


def bibliography(names: Sequence[str]) -> str:
    """Return the BibTeX of what each name rests on, every work once, brainbench itself first.

    A name is that of a data set, a benchmark or a model, or the path of a stored score or of a folder with
    several.
    Where no BibTeX is known, an entry is made of the citation, the year and the DOI that are.

    Raises
    ------
    UnknownNameError
        A name that is none of these.
    InputError, DamagedFileError
        A file that is no stored score.
    """
    entries = [entry_of(SOFTWARE)]
    for name in names:
        entries += _entries_of(name)
    return "\n".join(entry.bibtex for entry in _distinct(entries))


def _entries_of(name: str) -> list[Entry]:
    if Path(name).suffix == ".json" or Path(name).is_dir():
        return _of_results(Path(name))
    if name in registry.entries("data"):
        return _of_data(name)
    if name in registry.entries("benchmarks"):
        return _of_benchmark(name)
    known = name.partition("@")[0] in registry.entries("models")
    if known or registry.is_file(name) or registry.family(name) is not None:
        return _of_model(name)
    raise registry.unknown_name(name, "models", "benchmarks", "data")


def _of_data(name: str) -> list[Entry]:
    declared = manifest(name)
    if declared.bibtex is None:
        return [] if declared.simulated else entries_from_text(declared.citation)
    return [entry_of(declared.bibtex)]


def _of_benchmark(name: str) -> list[Entry]:
    benchmark = load_benchmark(name)
    data = benchmark.data
    known = data if isinstance(data, str) else data.name
    own = _of_data(known) if known in registry.entries("data") else []
    return [*own, *entries_from_text(benchmark.citation)]


def _of_model(name: str) -> list[Entry]:
    """Return the entries of a model, made without trained weights where it can be: they need a download."""
    try:
        untrained = name if registry.is_file(name) else f"{name.partition('@')[0]}@untrained-0"
        model = load_model(untrained)
    except InputError:
        model = load_model(name)
    return entries_from_text(model.about.citation or "")


def _of_results(path: Path) -> list[Entry]:
    """Return what stored scores rest on; a model or benchmark that is not here any more is left out."""
    paths = Results(path).files() if path.is_dir() else [path]
    if not paths:
        raise InputError(
            f"no stored score in {path}",
            allowed="a results folder, or the file of a score",
            todo="see `brainbench leaderboard`",
        )
    scores = [Results(path.parent).read(path) for path in paths]
    entries: list[Entry] = []
    for benchmark in dict.fromkeys(score.benchmark for score in scores):
        entries += _unless_gone(benchmark, "benchmark")
    for model in dict.fromkeys(score.model for score in scores):
        entries += _unless_gone(model, "model")
    return entries


def _unless_gone(name: str, kind: str) -> list[Entry]:
    """Return the entries of a name in a stored score, or a remark in BibTeX where it cannot be loaded."""
    try:
        return _entries_of(name)
    except BrainbenchError as error:
        remark = visible(f"% {kind} {name}: {error.got}", keep="").replace("@", "(at)")
        return [Entry(key=f"% {name}", bibtex=f"{remark}\n")]


def entry_of(bibtex: str) -> Entry:
    """Return an entry with the key and the DOI that its text has."""
    found = re.match(r"@\w+\{([^,\s]+),", bibtex)
    doi = _DOI.search(bibtex)
    return Entry(found[1] if found else bibtex, bibtex, doi[0].lower() if doi else None)


def entries_from_text(citation: str) -> list[Entry]:
    """Return an entry for each work of a citation, "Kar et al., 2019, Nat. Neurosci.; Schoppe et al., 2016".

    A part without a year is no work: it is left out.
    """
    return [
        _entry_from(part)
        for part in (_LABEL.sub("", part.strip()) for part in citation.split(";"))
        if _YEAR.search(part)
    ]


def _entry_from(text: str) -> Entry:
    year = _YEAR.search(text)
    assert year is not None  # noqa: S101  # `entries_from_text` has looked
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    first = re.match("[A-Za-z]+", plain)
    key = f"{first[0] if first else 'work'}{year[1]}"
    doi, arxiv = _DOI.search(text), _ARXIV.search(text)
    fields = {
        "note": "{" + text.translate(_SPECIAL).replace("{", "(").replace("}", ")") + "}",
        "year": f"{{{year[1]}}}",
        **({"doi": f"{{{doi[0]}}}"} if doi else {}),
        **({"eprint": f"{{{arxiv[1]}}}", "archiveprefix": "{arXiv}"} if arxiv else {}),
    }
    lines = "".join(f"  {name} = {value},\n" for name, value in fields.items())
    return Entry(key, f"@misc{{{key},\n{lines}}}\n", doi[0].lower() if doi else None)


def _distinct(entries: Iterable[Entry]) -> list[Entry]:
    """Return each work once; another work with the same key gets a letter after it.

    Works are the same if their DOI is, or where one of them has none, their key.
    """
    kept: list[Entry] = []
    for entry in entries:
        same_key = [known for known in kept if known.key == entry.key]
        same_doi = [known for known in kept if entry.doi and known.doi == entry.doi]
        if same_doi or any(entry.doi is None or known.doi is None for known in same_key):
            continue
        if same_key:
            letters = "bcdefghijklmnopqrstuvwxyz"
            taken = {known.key for known in kept}
            key = next(k for k in (f"{entry.key}{letter}" for letter in letters) if k not in taken)
            bibtex = entry.bibtex.replace(f"{{{entry.key},", f"{{{key},", 1)
            kept.append(Entry(key, bibtex, entry.doi))
        else:
            kept.append(entry)
    return kept
