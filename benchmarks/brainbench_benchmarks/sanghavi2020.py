"""Benchmarks on macaque V4 and IT of three sets of images (Sanghavi et al., 2020), 70 to 170 ms.

Sanghavi2020 has the images of MajajHong2015 and splits that are stratified by object; SanghaviJozwik2020
those of BOLD5000, SanghaviMurty2020 those of Rust & DiCarlo 2012, neither stratified, as in Brain-Score.
The first two sets were shown for 100 ms, the third for 200.
"""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench_benchmarks._usual import USUAL, declare

STUDIES = {
    "Sanghavi2020": (100.0, "Sanghavi et al., 2020, doi:10.17605/OSF.IO/CHWDK"),
    "SanghaviJozwik2020": (100.0, "Sanghavi, Jozwik & DiCarlo, 2020, doi:10.17605/OSF.IO/FHY36"),
    "SanghaviMurty2020": (200.0, "Sanghavi, Murty & DiCarlo, 2020, doi:10.17605/OSF.IO/FCHME"),
}
"""How long an image was shown, ms, and whom to cite."""

_DECLARED = [
    declare(
        study,
        region,
        "pls",
        USUAL["pls"],
        citation=citation,
        window=(70, 170),
        presentation=Presentation(kind="pulse", on_ms=on_ms, total_ms=350),
    )
    for study, (on_ms, citation) in STUDIES.items()
    for region in ("V4", "IT")
]
BENCHMARKS = {benchmark.identifier: benchmark for benchmark in _DECLARED}


def __getattr__(identifier: str) -> Benchmark:
    if identifier not in BENCHMARKS:
        raise AttributeError(f"module {__name__!r} has no attribute {identifier!r}")
    return BENCHMARKS[identifier]
