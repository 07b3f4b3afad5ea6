"""Which benchmarks a data set offers, for `brainbench data show`."""

from __future__ import annotations

from typing import Any


def offered_by(name: str) -> dict[str, Any]:
    """Return the benchmarks of a registered data set, declared or by rule, and what is missing for others.

    Of data that is not here, or that nothing reads, only the declared ones are known.
    """
    from brainbench.core.errors import BrainbenchError
    from brainbench.data.facts import facts_of
    from brainbench.data.manifest import open_dataset
    from brainbench.data.own.understood import offered
    from brainbench.run.offered import declared_on

    data = open_dataset(name)
    declared = declared_on(name)
    try:
        facts = offered(name, facts_of(data))
    except BrainbenchError:
        return {"benchmarks": declared or ["none"]}
    by_rule = [b for b in facts["benchmarks"] if b not in declared and b != "none"]
    known = {"benchmarks": [*declared, *by_rule] or ["none"]}
    missing = [line for line in facts["not offered"] if line.partition(":")[0] not in declared]
    return {**known, "not offered": missing or ["none"]}
