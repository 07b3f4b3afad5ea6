"""Scores for a figure: read from a results folder, checked for what a figure shows, and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import xarray as xr

from brainbench.core import progress
from brainbench.core.errors import InputError, unknown
from brainbench.core.score import Score
from brainbench.plot import style
from brainbench.plot.names import display_names
from brainbench.storage.results import Results

Source = str | Path | Score | Iterable[Score]
"""What a figure is made of: scores, or the folder where they are stored."""
MARKS = {
    "*": "some of the images only",
    "!": "ceiling not above 0",
    "?": "weights not described",
    "‡": "stored by an earlier version",
}
"""What is written after the name of a model, as in tables, and what it means."""
_REGIONS = ("V1", "EVC", "V2", "V4", "IT", "behavior")


def scores_of(source: Source) -> list[Score]:
    """Return the scores of a source.

    Of a results folder those of the protocol `paper` on all images, by benchmark and model; files that
    cannot be read are named in a note. InputError for a folder without any score, or for anything else.
    """
    if isinstance(source, Score):
        return [source]
    if not isinstance(source, str | Path):
        given = list(source) if isinstance(source, Iterable) else [source]
        wrong = [item for item in given if not isinstance(item, Score)]
        if wrong:
            raise InputError(
                f"a figure of {type(wrong[0]).__name__} {wrong[0]!r:.60}",
                allowed="scores, or the path of a results folder",
                todo="give what brainbench.score returns",
            )
        return given
    return [
        score for score in stored(Path(source)) if score.protocol == "paper" and not score.partial
    ]


def stored(folder: Path) -> list[Score]:
    """Return all scores of a results folder; files that cannot be read are named in a note.

    InputError for a folder without any score.
    """
    results, scores, problems = Results(folder), [], Results(folder).unreadable_folders()
    for path in results.files():
        try:
            scores.append(results.read(path))
        except InputError as error:
            problems.append(error.got)
    for problem in problems:
        progress.current().note(f"omitted: {problem}")
    if not scores:
        raise InputError(
            f"no scores in the results folder {folder}",
            allowed="a folder that `brainbench score -o` has written to",
            todo=f"score first: brainbench score -m MODEL -b BENCHMARK -o {folder}",
        )
    return sorted(scores, key=_place)


def _place(score: Score) -> tuple[str, int, str, str]:
    study, _, rest = score.benchmark.partition(".")
    order = next((k for k, region in enumerate(_REGIONS) if rest.startswith(region)), len(_REGIONS))
    return study, order, score.benchmark, score.model


# --- which figures make sense for a score -----------------------------------------------------------


def has_value(score: Score) -> bool:
    """Return whether there is a value to show."""
    return score.value is not None


def has_layers(score: Score) -> bool:
    """Return whether several layers were compared for the region."""
    rows = [row for row in score.selection.curve if row.get("inner_mean") is not None]
    return len({row["layer"] for row in rows}) > 1


def has_layer_units(score: Score) -> bool:
    """Return whether sites preferred one of several layers."""
    return any(len(units) > 1 for units in (score.figures.get("layer_units") or {}).values())


def has_time(score: Score) -> bool:
    """Return whether there is a figure in each time bin."""
    return bool(score.figures.get("r_by_array"))


def has_traces(score: Score) -> bool:
    """Return whether responses to single images were predicted over time."""
    return has_time(score) and _has_predictions(score)


def has_temporal(score: Score) -> bool:
    """Return whether there is a correlation over time of single images."""
    return bool(score.figures.get("temporal_correlation"))


def has_solution_times(score: Score) -> bool:
    """Return whether there is a solution time of each image."""
    return score.per_unit is not None and {"brain", "threshold"} <= set(score.per_unit.coords)


def has_choices(score: Score) -> bool:
    """Return whether there are choices among objects."""
    figures = score.figures
    return ("n_cells" in figures or "n_answers" in figures) and _has_predictions(score)


def has_images(score: Score) -> bool:
    """Return whether there is a figure of each image for model and subjects."""
    return score.per_unit is not None and "observed" in score.per_unit.coords


def has_cues(score: Score) -> bool:
    """Return whether answers by shape and by texture were counted, of each category."""
    return score.value is not None and "by_shape" in score.figures


def has_responses(score: Score) -> bool:
    """Return whether responses of several sites were predicted, or dissimilarities compared."""
    of_sites = score.per_unit is not None and score.per_unit.dims == ("neuroid",)
    is_static = of_sites and not has_time(score)
    return _has_predictions(score) and (is_static or "similarity" in _choices(score))


def _choices(score: Score) -> Mapping[str, object]:
    return score.record.choices if score.record else {}


def _has_predictions(score: Score) -> bool:
    return score.predictions is not None or score.predictions_file is not None


def predictions_of(score: Score) -> xr.Dataset:
    """Return held-out predictions of a score, from the results folder where it is stored.

    InputError for a score without any; DamagedFileError where they are damaged.
    """
    found = score.predictions
    if found is None and score.file is not None:
        found = Results(Path(score.file).parent.parent).predictions(score)
    if found is None:
        raise InputError(
            f"{score.model} on {score.benchmark} has no held-out predictions",
            allowed="a score as it was computed, or one of a results folder",
            todo="score it again with results=FOLDER",
        )
    return found


FITS: Mapping[str, Callable[[Score], bool]] = MappingProxyType(
    {
        "bars": has_value,
        "layers": has_layers,
        "units": has_layer_units,
        "time": has_time,
        "traces": has_traces,
        "temporal": has_temporal,
        "ost": has_solution_times,
        "choices": has_choices,
        "images": has_images,
        "cues": has_cues,
        "rdm": has_responses,
        "scatter": has_value,
    }
)
"""Figures by name, and for which scores each makes sense."""


def fitting(scores: Sequence[Score], kind: str, needs: str) -> list[Score]:
    """Return the scores that a figure can show; InputError where there is none, with the figures that can.

    Parameters
    ----------
    scores : sequence of Score
        Those that were asked for.
    kind : str
        A name among `FITS`.
    needs : str
        What the figure needs, in words.
    """
    chosen = [score for score in scores if FITS[kind](score)]
    if chosen:
        return chosen
    if not scores:
        raise InputError(
            f"a figure {kind!r} of no score",
            allowed="at least one score",
            todo="score a model first, or give another results folder",
        )
    first = scores[0]
    who = f"{first.model} on {first.benchmark}" + (
        f" and {len(scores) - 1} more" if len(scores) > 1 else ""
    )
    reason = f" ({first.reason})" if first.reason else ""
    others = sorted({name for score in scores for name in FITS if FITS[name](score)})
    raise InputError(
        f"a figure {kind!r} of {who}{reason}",
        allowed=needs,
        todo=f"draw one of {', '.join(others)} of it" if others else "score it again",
    )


def only(scores: Sequence[Score], name: str, *, one_model: bool = False) -> list[Score]:
    """Return the scores if all are of one benchmark, version and formula, or else raise InputError.

    With `one_model` there must be a single score.
    """
    kinds = list(dict.fromkeys((s.benchmark, s.version, s.formula) for s in scores))
    if len(kinds) > 1 or (one_model and len(scores) > 1):
        several = [f"{b} version {v} ({f})" for b, v, f in kinds]
        several = several if len(kinds) > 1 else [f"{s.model} on {s.benchmark}" for s in scores]
        raise InputError(
            f"one figure {name!r} of {len(several)}: {', '.join(several)}",
            allowed="one model on one benchmark"
            if one_model
            else "one benchmark, version and formula",
            todo=f"choose one of them, or draw all side by side with figure({name!r}, scores)",
        )
    return list(scores)


def check_name(what: str, given: str, known: Iterable[str], *, of: str) -> None:
    """Raise UnknownNameError for a layer, array, site or image that a score does not have."""
    names = list(map(str, known))
    if given not in names:
        raise unknown(f"{what} of {of}", given, names, todo=f"choose another {what}")


# --- names ------------------------------------------------------------------------------------------


Colors = Mapping[tuple[str, ...], str]
"""Color of each model, by what `identity_of` says of its score."""


def identity_of(score: Score) -> tuple[str, ...]:
    """Return what tells the model of a score from others: name, digest, protocol and settings."""
    return score.model, *_distinction(score)


def colors_of(scores: Iterable[Score], colors: Colors | None = None) -> Colors:
    """Return a color for each model: those given, if they tell these models apart, or else new ones."""
    models = list(dict.fromkeys(map(identity_of, scores)))
    given = {model: colors[model] for model in models if model in colors} if colors else {}
    if len(set(given.values())) == len(models):
        return given
    return {model: style.color_of(k, len(models)) for k, model in enumerate(models)}


def labels_of(scores: Sequence[Score]) -> list[str]:
    """Return the name of each score's model; with what tells them apart where two would be alike."""
    names = display_names(score.model for score in scores)
    labels = [" ".join([names[score.model], *marks_of(score)]) for score in scores]
    alike: dict[tuple[str, str], list[Score]] = {}
    for score, label in zip(scores, labels, strict=True):
        alike.setdefault((score.benchmark, label), []).append(score)
    apart = [
        told_apart(score, alike[score.benchmark, label])
        for score, label in zip(scores, labels, strict=True)
    ]
    return [
        f"{label} [{words}]" if words else label for label, words in zip(labels, apart, strict=True)
    ]


def marks_of(score: Score) -> list[str]:
    """Return the marks of a score, of `MARKS`."""
    marks = {
        "*": score.partial,
        "!": score.ceiling_above_0 is False,
        "?": score.undescribed,
        "‡": score.older_key,
    }
    return [mark for mark, needed in marks.items() if needed]


def told_apart(score: Score, alike: Sequence[Score]) -> str:
    """Return what differs between scores of one name and benchmark; empty where nothing does."""
    own = _distinction(score)
    others = [_distinction(one) for one in alike]
    differing = [k for k, words in enumerate(own) if any(one[k] != words for one in others)]
    return ", ".join(own[k] for k in differing)


_UNSET = {
    "limit": "all images",
    "layers": "no layers given",
    "floor": "no floor",
    "resample": "resample both",
}


def _distinction(score: Score) -> tuple[str, ...]:
    """Return digits of the digest, the protocol and each setting, which tell scores of one name apart."""
    settings = score.record.settings if score.record else {}
    chosen = (
        f"{key} {settings[key]}" if settings.get(key) else unset for key, unset in _UNSET.items()
    )
    digest = score.hash_of("model")
    return (
        digest[:6] if digest else "no digest",
        score.protocol,
        f"seed {settings.get('seed', 0)}",
        *chosen,
    )
