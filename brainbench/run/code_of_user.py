"""Code of the user that workers need: files by their names and content, estimators as pickled objects."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from brainbench.core import registry
from brainbench.core.errors import InputError
from brainbench.core.provenance import sha256
from brainbench.core.settings import Variant
from brainbench.core.user_code import UserModule, folders, reached


@dataclass(frozen=True)
class PackedEstimator:
    """An estimator as bytes, so that a worker that cannot make it again can say so."""

    name: str
    content: bytes


def absolute_name(name: str) -> str:
    """Return "FILE.py:NAME" with an absolute path; any other name unchanged."""
    if not registry.is_file(name):
        return name
    file, colon, attribute = name.rpartition(":")
    return f"{Path(file).expanduser().absolute()}{colon}{attribute}" if colon else name


def names_in(variant: Variant) -> list[str]:
    """Return the names that a variant is given by: of a map, or of reference models."""
    beyond = variant.beyond if isinstance(variant.beyond, list | tuple) else [variant.beyond]
    listed = [part.strip() for one in beyond if isinstance(one, str) for part in one.split(",")]
    return [*([variant.metric] if isinstance(variant.metric, str) else []), *listed]


def code_of_user(names: Iterable[str]) -> dict[Path, str]:
    """Return the SHA-256 of each file of user code that "FILE.py:NAME" names reach by imports."""
    digests: dict[Path, str] = {}
    for name in filter(registry.is_file, names):
        path = registry.check_file(name)[0].resolve()
        folders.add(path.parent)
        modules = reached(UserModule(path.stem, path)).modules
        digests |= {module.path: sha256(module.content()) for module in modules}
    return digests


def check_code_of_user(files: Mapping[Path, str]) -> None:
    """Raise InputError where a file is absent here, or another one than where the run was dealt out."""
    for path, digest in files.items():
        if not path.is_file():
            problem = "is not there"
        elif sha256(path.read_bytes()) != digest:
            problem = "has another content than where the run was dealt out"
        else:
            continue
        raise InputError(
            f"{path}, which {problem}",
            allowed="the same files under the same paths on all machines, unchanged during a run",
            todo="keep them in a folder that all machines see, and give the command again",
        )


def packed(variant: Variant) -> Variant:
    """Return a variant as it travels: names with absolute paths, an estimator as bytes.

    Raises
    ------
    InputError
        An estimator that cannot be pickled, or whose class only this script has; models made already.
    """
    beyond = variant.beyond if isinstance(variant.beyond, list | tuple) else [variant.beyond]
    if variant.beyond is not None and not all(isinstance(one, str) for one in beyond):
        raise _made_here("reference model", str(variant.beyond), "it is made already")
    if variant.beyond is not None:
        listed = names_in(replace(variant, metric=None))
        return replace(variant, beyond=",".join(map(absolute_name, listed)))
    if isinstance(variant.metric, str):
        return replace(variant, metric=absolute_name(variant.metric))
    return variant if variant.metric is None else replace(variant, metric=_packed(variant.metric))


def _packed(estimator: Any) -> PackedEstimator:
    name = type(estimator).__name__
    try:
        content = pickle.dumps(estimator)
    except Exception as error:
        reason = f"it cannot be pickled ({type(error).__name__}: {error})"
        raise _made_here("estimator", name, reason) from error
    # What a script defines is in its __main__, and what a file of the user defines in no module by name.
    if b"__main__" in content or b"brainbench_user_" in content:
        raise _made_here("estimator", name, "its class is no importable module's")
    return PackedEstimator(name, content)


def _made_here(kind: str, name: str, reason: str) -> InputError:
    return InputError(
        f"the {kind} {name}, which cannot be sent to a worker: {reason}",
        allowed="names, by which a worker makes it again, or an estimator of a module that can be imported",
        todo=f"write what makes the {kind} into a file and give FILE.py:NAME, or score without workers",
    )


def unpacked(variant: Variant) -> Variant:
    """Return a variant whose estimator is made again; InputError where this process cannot."""
    given = variant.metric
    if not isinstance(given, PackedEstimator):
        return variant
    try:
        return replace(variant, metric=pickle.loads(given.content))  # noqa: S301  # from `packed`
    except Exception as error:
        raise InputError(
            f"a worker that cannot make the estimator {given.name}: {type(error).__name__}: {error}",
            allowed="an estimator whose package all machines have",
            todo="install it there, or write what makes it into a file and give FILE.py:NAME",
        ) from error
