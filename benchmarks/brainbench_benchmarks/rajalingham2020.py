"""Benchmark on macaque IT, 616 images of letter strings (Rajalingham et al., 2020).

Splits are not stratified, as in Brain-Score. How long an image was shown is not said in what is published
with the file: a constant image stands in.
"""

from brainbench.core.presentation import CONSTANT
from brainbench_benchmarks._usual import USUAL, declare

IT_pls = declare(
    "Rajalingham2020",
    "IT",
    "pls",
    USUAL["pls"],
    citation="Rajalingham et al., 2020, Nat. Commun., doi:10.1038/s41467-020-17714-3",
    window=(70, 170),
    presentation=CONSTANT,
)
