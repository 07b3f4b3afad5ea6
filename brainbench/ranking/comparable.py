"""Stored scores that may be compared: of one benchmark, under the same conditions, each model once."""

from __future__ import annotations

import fnmatch
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from brainbench.core import registry
from brainbench.core.errors import InputError, unknown
from brainbench.core.score import Score
from brainbench.core.settings import AUTO, GROUPED, Settings, flag_of

_DEFAULTS = Settings()
_CHOSEN = ("seed", "limit", "floor", "resample", "groups")


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Everything that two scores must share to be compared; hashes are None where a record has none."""

    version: int  # of the benchmark
    protocol: str
    formula: str
    n_stimuli: int
    stimuli: str | None
    data: str | None
    target: str | None
    seed: Any
    limit: Any
    floor: Any
    resample: Any
    groups: Any
    n_draws: int

    @classmethod
    def of(cls, score: Score) -> Conditions:
        """Return the conditions of a score."""
        given = score.record.settings if score.record else {}
        chosen = {key: given.get(key, getattr(_DEFAULTS, key)) for key in _CHOSEN}
        if not score.partial:  # a limit above the number of stimuli limits nothing
            chosen["limit"] = None
        joint = score.joint_draws or {}
        return cls(
            version=score.version,
            protocol=score.protocol,
            formula=score.formula,
            n_stimuli=score.n_stimuli,
            n_draws=max(map(len, joint.values()), default=0),
            **{name: score.hash_of(name) for name in ("stimuli", "data", "target")},
            **chosen,
        )

    @property
    def n_defaults(self) -> int:
        """Number of settings that are the defaults."""
        return sum(getattr(self, key) == getattr(_DEFAULTS, key) for key in _CHOSEN)

    def differences(self, other: Conditions) -> str:
        """Return what differs, own value first: "version 1, not 2; 64 images, not 160"."""
        mine, theirs = asdict(self), asdict(other)
        return "; ".join(
            _difference(name, mine[name], theirs[name])
            for name in mine
            if mine[name] != theirs[name]
        )

    def flags(self) -> list[str]:
        """Return the options of `brainbench score` that make a score under these conditions."""
        given = _protocol_flags(self.protocol)
        for key in _CHOSEN:
            value = getattr(self, key)
            if value != getattr(_DEFAULTS, key):
                given += [flag_of(key), str(value)]
        return given


def _protocol_flags(variant: str) -> list[str]:
    """Return the option of `brainbench score` that makes scores of a protocol, without its groups."""
    protocol = variant.removesuffix(GROUPED)
    return [] if protocol == _DEFAULTS.protocol else ["--protocol", protocol]


def _difference(name: str, own: Any, other: Any) -> str:
    if name == "n_stimuli":
        return f"{own} images, not {other}"
    words = {"stimuli": "other images, SHA-256", "data": "data", "target": "responses, SHA-256"}
    return f"{words.get(name, name.replace('n_', 'number of '))} {_short(own)}, not {_short(other)}"


def _short(value: Any) -> str:
    return value[:8] if isinstance(value, str) and len(value) == 64 else str(value)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A model that was asked for; of a range of seeds, all of them."""

    label: str
    names: tuple[str, ...]
    # how the digest of its weights and code begins, where one of several was chosen
    digest: str = ""

    def scores_of(self, name: str, scores: Iterable[Score]) -> list[Score]:
        """Return those scores that are of a name of this entry."""
        return [
            score
            for score in scores
            if score.model == name and (score.hash_of("model") or "").startswith(self.digest)
        ]


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A model that is not compared on a benchmark, why, and the command that makes its score, if any does."""

    model: str
    benchmark: str
    reason: str
    command: str | None = None

    def __str__(self) -> str:
        text = f"{self.model} on {self.benchmark}: {self.reason}"
        return text if self.command is None else f"{text}; make it with `{self.command}`"


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparable:
    """Scores of one benchmark under the same conditions."""

    benchmark: str
    conditions: Conditions
    scores: Mapping[Entry, tuple[Score, ...]]  # one score for each seed


def entries(models: Sequence[str], stored: Iterable[str]) -> list[Entry]:
    """Return the models that were asked for, in this order, each once.

    Parameters
    ----------
    models : sequence of str
        Names, comma lists, wildcards among the stored names, "all", "net@untrained-0..4" for a random seed,
        and "net#1a2b3c4d" for one version of the weights or code. A name without weights stands for the only
        ones that were scored.
    stored : iterable of str
        Names of the models that have scores.

    Raises
    ------
    UnknownNameError
        A wildcard that matches no stored model.
    InputError
        A name without weights, of which several were scored; a network that is in two models.
    """
    known = sorted(set(stored))
    found: dict[str, Entry] = {}
    for part in (part.strip() for text in models for part in text.split(",") if part.strip()):
        name, _, digest = part.partition("#")
        seeds = registry.seeds_of(name)
        if len(seeds) > 1:
            found.setdefault(part, Entry(label=part, names=tuple(seeds), digest=digest))
            continue
        [name] = seeds  # net@untrained-0..0 is net@untrained-0
        is_pattern = name == "all" or (name not in known and bool(set(name) & set("*?[")))
        for match in _matching(name, known, "model") if is_pattern else [_stored_as(name, known)]:
            label = f"{match}#{digest}" if digest else match
            found.setdefault(label, Entry(label=label, names=(match,), digest=digest))
    _check_no_overlap(found)
    return list(found.values())


def _check_no_overlap(found: Mapping[str, Entry]) -> None:
    """Raise InputError where a network is in two entries, whose difference would then count it as two."""
    of_name: dict[tuple[str, str], str] = {}
    for label, entry in found.items():
        for name in entry.names:
            other = of_name.setdefault((name, entry.digest), label)
            if other != label:
                raise InputError(
                    f"{name} in both {other} and {label}",
                    allowed="each network once: a model that is a mean over seeds is held against others",
                    todo=f"drop {name} from one of the two",
                )


def _stored_as(name: str, known: Sequence[str]) -> str:
    """Return a name with the weights that were scored, where it has none."""
    weights = [each for each in known if each.partition("@")[0] == name]
    if name in known or not weights:
        return name
    if len(weights) > 1:
        raise InputError(
            f"model {name!r}, of which several weights were scored",
            allowed=", ".join(weights),
            todo="name one of these",
        )
    return weights[0]


def benchmark_names(patterns: Sequence[str], stored: Iterable[str]) -> list[str]:
    """Return the benchmarks that names and wildcards stand for; a name need not be stored.

    UnknownNameError for a wildcard that matches no stored benchmark.
    """
    known = sorted(set(stored))
    names: list[str] = []
    for part in (part.strip() for text in patterns for part in text.split(",") if part.strip()):
        is_pattern = part == "all" or bool(set(part) & set("*?["))
        names += _matching(part, known, "benchmark") if is_pattern else [part]
    return list(dict.fromkeys(names))


def _matching(pattern: str, known: Sequence[str], what: str) -> list[str]:
    hits = [name for name in known if pattern == "all" or fnmatch.fnmatchcase(name, pattern)]
    if not hits:
        todo = f"score it first, or name a {what} of the results folder"
        raise unknown(f"{what} among the stored scores", pattern, known, todo=todo)
    return hits


def comparable(
    benchmark: str, asked: Sequence[Entry], scores: Sequence[Score], *, protocol: str, folder: str
) -> tuple[Comparable | None, list[Missing]]:
    """Return the scores of a benchmark that may be compared, and what is missing.

    The conditions under which most models have scores are taken; of equals those of the newest version, then
    those with the most default settings.

    Parameters
    ----------
    benchmark : str
        Its identifier.
    asked : sequence of Entry
        Models.
    scores : sequence of Score
        Stored scores of the benchmark under the protocol.
    protocol, folder : str
        For the commands that make what is missing.
    """
    groups: dict[Conditions, list[Score]] = {}
    for score in scores:
        if score.value is not None and score.joint_draws:
            groups.setdefault(Conditions.of(score), []).append(score)
    choices = {
        conditions: {
            entry: chosen for entry in asked if (chosen := _of_each_seed(entry, group)) is not None
        }
        for conditions, group in groups.items()
    }
    best = max(
        (conditions for conditions, chosen in choices.items() if chosen),
        key=lambda one: (len(choices[one]), one.version, one.n_defaults, one.formula == "raw-v1"),
        default=None,
    )
    complete = {} if best is None else choices[best]
    missing = [
        _missing(entry, name, benchmark, scores, best, protocol=protocol, folder=folder)
        for entry in asked
        if entry not in complete
        for name in entry.names
        if best is None or _one_of(entry, name, groups[best]) is None
    ]
    if best is None or len(complete) < 2:
        return None, missing
    return Comparable(benchmark=benchmark, conditions=best, scores=complete), missing


def _of_each_seed(entry: Entry, group: Sequence[Score]) -> tuple[Score, ...] | None:
    found = [_one_of(entry, name, group) for name in entry.names]
    return None if None in found else tuple(score for score in found if score is not None)


def _one_of(entry: Entry, name: str, group: Sequence[Score]) -> Score | None:
    """Return the only score of a model; None for none, or several that differ."""
    own = _usual(entry.scores_of(name, group))
    are_alike = len({(score.hash_of("model"), score.value) for score in own}) == 1
    return own[0] if are_alike else None


def _usual(scores: Sequence[Score]) -> list[Score]:
    """Return the scores whose layers were not chosen by the user, or else all."""
    usual = [
        score for score in scores if not (score.record and score.record.settings.get("layers"))
    ]
    return usual or list(scores)


def _missing(
    entry: Entry,
    name: str,
    benchmark: str,
    scores: Sequence[Score],
    best: Conditions | None,
    *,
    protocol: str,
    folder: str,
) -> Missing:
    """Return why a model has no score that can be compared with the others."""
    own = entry.scores_of(name, scores)
    words = ["brainbench", "score", "-m", name, "-b", benchmark]
    by_groups = ["--groups", AUTO] if protocol.endswith(GROUPED) else []
    words += best.flags() if best else [*_protocol_flags(protocol), *by_groups]
    words += ["-o", folder]
    joint = [score for score in own if score.joint_draws]
    under = [score for score in joint if Conditions.of(score) == best]
    if under:
        return Missing(model=name, benchmark=benchmark, reason=_ambiguity(name, under))
    if not own:
        reason = "not scored" + (f" with a digest {entry.digest}..." if entry.digest else "")
    elif joint and best is not None:
        reason = "scored under other conditions: " + Conditions.of(joint[-1]).differences(best)
    elif any("by_group" in score.figures for score in own):
        reason = "an interval over fewer than 20 groups of images, which has no draws to compare"
        return Missing(model=name, benchmark=benchmark, reason=reason)
    elif any(score.value is not None for score in own):
        reason = "stored without joint draws of its interval, by an older version or as it has none"
        words += ["--overwrite", "always"]
    else:
        reason = f"no value: {own[-1].reason}"
    return Missing(model=name, benchmark=benchmark, reason=reason, command=shlex.join(words))


def _ambiguity(name: str, scores: Sequence[Score]) -> str:
    digests = sorted({str(score.hash_of("model")) for score in _usual(scores)})
    if len(digests) > 1:
        named = ", ".join(f"{name}#{digest[:8]}" for digest in digests)
        return f"{len(digests)} versions of its weights or code; name one of {named}"
    found = sorted(
        (json.dumps(score.record.settings.get("layers", {}) if score.record else {}), score.value)
        for score in _usual(scores)
    )
    values = ", ".join(f"{value:.4f} with layers {layers}" for layers, value in found)
    return (
        f"{len(found)} stored scores under the same conditions: {values}; keep one of the files, or "
        "score it into another results folder"
    )
