"""Known truth of the simulated brain: the figures that `brainbench selftest` expects of each measure.

`simulated_readout` answers with the sites' own rates, without noise. Without a map between it and the
sites it reaches the ceiling exactly. Through a map that is fitted to a few hundred noisy responses it stays
below, by what such a map costs. Pixels see the same pictures, and must stay below both.
"""

from collections.abc import Mapping
from typing import Any

from brainbench.core.settings import Null, ProtocolName
from brainbench.run.selftest import Check

EXACT = (1.0, 1.0)
NEARLY = (0.99, 1.01)
"""Spearman-Brown is exact for responses, within a hundredth for RDMs and inner products with c above .9."""
QUARTER = (0.99, 1.0)
"""r over the 80 images of a quarter is lower by (1 - r^2) / (2 x 80) of itself, up to half a hundredth."""
READ = (0.95, 1.0)
"""Another read-out than the subject's, fitted to other images: its choices are nearly the subject's."""
FITTED = (0.9, 1.0)
"""A fitted map must reach nine tenths of the ceiling, and may not lie above it."""


def _check(
    benchmark: str,
    expected: tuple[float, float],
    why: str,
    *,
    formula: str = "r/sqrt(c)",
    through: Mapping[str, Any] | None = None,
    weaker: tuple[str, ...] = ("pixels",),
    protocol: ProtocolName = "paper",
    null: Null | None = None,
    data: str = "Simulated",
) -> Check:
    return Check(
        benchmark=f"{data}.{benchmark}",
        model="simulated_readout",
        expected=expected,
        protocol=protocol,
        formula=formula,
        through=through or {},
        weaker=weaker,
        null=null,
        why=why,
    )


def _predictivity() -> list[Check]:
    fitted = "a map fitted to noisy responses, from the sites' own rates"
    checks = [_check(f"{region}-pls", FITTED, fitted) for region in ("V1", "V2", "V4", "IT")]
    checks += [
        _check("IT-pls", FITTED, fitted, through={"metric": metric})
        for metric in ("ridge", "ridge-cv", "linear")
    ]
    own = "each site's own rate, found among all sites in the training images"
    through = {"metric": "neuron-to-neuron"}
    return [
        *checks,
        _check("IT-pls", EXACT, own, through=through),
        _check("IT-pls", EXACT, own, through={"metric": "one-to-one"}),
        _check("IT-pls", FITTED, fitted, protocol="brainscore"),
        _check("IT-pls", EXACT, own, through=through, protocol="brainscore"),
    ]


def _explained() -> list[Check]:
    fitted = "a map fitted to noisy responses, from the sites' own rates"
    checks = [
        _check(f"{region}-ccnorm2", FITTED, fitted, formula="r2/c") for region in ("V1", "V2")
    ]
    checks.append(_check("V1-ccnorm", FITTED, fitted))
    own = "each site's own rate, without a map (so that pixels cannot be asked)"
    without = [{"metric": "units"}, {"metric": "units", "variant": "schoppe"}]
    exact = [
        _check("V1-ccnorm2", EXACT, own, formula="r2/c", through=through, weaker=())
        for through in without
    ]
    return [*checks, *exact]


def _similarity() -> list[Check]:
    why = "the sites' own rates, without a map; Spearman-Brown is not exact for what is compared"
    checks = [_check(f"IT-{measure}", NEARLY, why) for measure in ("rsa", "cka")]
    return [*checks, _check("IT-cka", NEARLY, why, through={"metric": "cka-biased"})]


def _behavior() -> list[Check]:
    why = "the sites that the subject reads, read by the same rule"
    halves = f"{why}; r of two halves is not exact for d'"
    softer = (
        f"{why} in other folds and with softer choices, whose d' correlates .97 with the subject's"
    )
    return [
        _check("behavior-i2n", READ, softer),
        _check("behavior-i2n", NEARLY, halves, protocol="brainscore"),
    ]


def _dynamics() -> list[Check]:
    fitted = "the sites' own rates in each time bin, through one map for all bins that is fitted"
    own = "each site's own rates, found among all sites in the training images; rates are skewed"
    descended = "the sites' own rates, through one map that steps of gradient descent come near to"
    return [
        *(_check(f"{region}-dynamics", FITTED, fitted) for region in ("V4", "IT")),
        *(
            _check(f"{region}-dynamics", QUARTER, own, through=through, weaker=())
            for region in ("V4", "IT")
            for through in (
                {"solver": "neuron-to-neuron"},
                {"solver": "neuron-to-neuron", "scored": None},
            )
        ),
        _check("V4-dynamics", FITTED, descended, through={"solver": "sgd", "n_splits": 1}),
    ]


def _movies() -> list[Check]:
    why = "a map fitted to noisy responses, from the sites' own rates; pixels take no movies"
    return [
        _check(f"{region}-pls", FITTED, why, weaker=(), data="SimulatedMovies")
        for region in ("V4", "IT")
    ]


def _solution_times() -> list[Check]:
    why = "the sites' own rates, decoded as the brain's trials are"
    # Answers of other images solve nothing: thresholds and times of the brain are shuffled.
    return [_check("IT-ost", EXACT, why, null="images")]


CHECKS = (
    *_predictivity(),
    *_similarity(),
    *_dynamics(),
    *_behavior(),
    *_solution_times(),
    *_explained(),
    *_movies(),
)
