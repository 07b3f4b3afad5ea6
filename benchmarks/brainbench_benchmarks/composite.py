"""Composites: which benchmarks, each by which formula, make one figure.

They stand beside the benchmarks that they name. The core finds them by their names, as it finds benchmarks.
"""

from brainbench.stats.composite import Composite, Member

NOISE_CORRECTED = "r/sqrt(c)-v1"
"""c of I2n is the square of what simulated subjects reach; CC_norm is r/sqrt(c) of each site."""
KUBILIUS = "Kubilius et al., 2019, NeurIPS"

mean_v1 = Composite(
    name="mean-v1",
    members=(
        Member("MajajHong2015.V4-pls"),
        Member("MajajHong2015.IT-pls"),
        Member("Rajalingham2018-i2n"),
        Member("Kar2019-ost"),
    ),
    meaning="mean of the raw V4, IT, behavior and solution time scores: the Brain-Score of the paper",
    citation=KUBILIUS,
)
mean_v1_static = Composite(
    name="mean-v1-static",
    members=mean_v1.members[:3],
    meaning="mean of the raw V4, IT and behavior scores: what a network without time can have",
    citation=f"{KUBILIUS}, figure 4",
)
mission_v2 = Composite(
    name="mission-v2",
    members=(
        Member("MajajHong2015.V4-pls", NOISE_CORRECTED),
        Member("MajajHong2015.IT-pls", NOISE_CORRECTED),
        Member("Rajalingham2018-i2n", NOISE_CORRECTED),
        Member("Kar2019-ost"),
        Member("MajajHong2015.IT-dynamics", NOISE_CORRECTED),
        Member("Cowley2023.V4-ccnorm", NOISE_CORRECTED),
    ),
    meaning="mean of V4, IT, behavior and dynamics relative to their ceilings, of raw solution times, and of "
    "the median CC_norm over sites",
    citation="brainbench",
)

_KUBILIUS_TWINS = (
    "Simulated.V4-pls",
    "Simulated.IT-pls",
    "Simulated.behavior-i2n",
    "Simulated.IT-ost",
)
simulated_mean_v1 = mean_v1.twin(_KUBILIUS_TWINS)
simulated_mean_v1_static = mean_v1_static.twin(_KUBILIUS_TWINS[:3])
simulated_mission_v2 = mission_v2.twin(
    (*_KUBILIUS_TWINS, "Simulated.IT-dynamics", "Simulated.V1-ccnorm")
)
