"""Benchmarks on macaque V1 and V2, textures and spectrally matched noises (Freeman, Ziemba et al., 2013).

FreemanZiemba2013 is the part of the images that Brain-Score keeps for itself, FreemanZiemba2013public the
other one, both seen through an aperture of 4 degrees. Splits are stratified by what an image is, texture or
noise. Images were shown for 100 ms, five in a second (Ziemba et al., 2011, Society for Neuroscience).
Responses are those from 50 to 200 ms, as in Brain-Score.
"""

from brainbench.core.benchmark import Benchmark
from brainbench.core.presentation import Presentation
from brainbench_benchmarks._usual import USUAL, declare

_DECLARED = [
    declare(
        study,
        region,
        name,
        USUAL[name],
        citation="Freeman, Ziemba et al., 2013, Nat. Neurosci. 16:974",
        window=(50, 200),
        presentation=Presentation(kind="pulse", on_ms=100, total_ms=200),
    )
    for study in ("FreemanZiemba2013", "FreemanZiemba2013public")
    for region in ("V1", "V2")
    for name in ("pls", "ridge", "ccnorm2")
]
BENCHMARKS = {benchmark.identifier: benchmark for benchmark in _DECLARED}


def __getattr__(identifier: str) -> Benchmark:
    if identifier not in BENCHMARKS:
        raise AttributeError(f"module {__name__!r} has no attribute {identifier!r}")
    return BENCHMARKS[identifier]
