"""Benchmarks of recordings in Brain-Score's layout, on stand-ins: from a server to the score that is true."""

import numpy as np
import pytest
import standins
from known import Known
from server import serving

from brainbench import load_benchmark, load_model
from brainbench.core.settings import Settings
from brainbench.data import fetch
from brainbench.data.fetch_dataset import MIRROR, fetch_dataset
from brainbench.data.integrity import verify_imported
from brainbench.data.manifest import open_dataset
from brainbench.run.loading import list_benchmarks
from brainbench.scoring.pipeline import score

MEASURES = {
    "MajajHong2015public": ("V4 IT", "pls ridge rsa cka reverse"),
    "FreemanZiemba2013public": ("V1 V2", "pls ridge ccnorm2"),
    "Cadena2017": ("V1", "pls ridge ccnorm2"),
    "Kar2018hvm": ("IT", "pls"),
    "Kar2018coco": ("IT", "pls"),
    "Sanghavi2020": ("V4 IT", "pls"),
    "SanghaviJozwik2020": ("V4 IT", "pls"),
    "SanghaviMurty2020": ("V4 IT", "pls"),
    "Rajalingham2020": ("IT", "pls"),
}
"""Regions and measures of each set; other sets have the stand-in of one of these."""
VARIANTS = ("SanghaviJozwik2020", "SanghaviMurty2020")
"""Sets of the same stand-in as another one."""
DECLARED = [
    (name, region, measure)
    for name, (regions, measures) in MEASURES.items()
    for region in regions.split()
    for measure in measures.split()
]
SIGMA = 0.35
LINEAR = {"FreemanZiemba2013public": SIGMA / np.sqrt(np.expm1(SIGMA**2))}
"""Correlation of a rate with the best linear function of the picture where it is not 1: r(z, exp(s z))."""


@pytest.fixture(scope="module")
def fetched(tmp_path_factory):
    """`fetched(name)`: the stand-in, which came from a server, was verified and imported, once."""
    made = {}
    with pytest.MonkeyPatch.context() as patch, serving() as served:
        patch.setenv("BRAINBENCH_DATA", str(tmp_path_factory.mktemp("data")))
        patch.delenv(fetch.OFFLINE, raising=False)
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setenv(MIRROR, served.url)

        def once(name):
            if name not in made:
                folder = tmp_path_factory.mktemp(name)
                few = {"n_samples": 16} if name.startswith("Freeman") else {}
                made[name] = standins.MAKERS[name](folder, name, **few)
                made[name].register(patch)
                for file in made[name].declared.files:
                    served.files[f"/{name}/{file.path}"] = (folder / file.path).read_bytes()
                fetch_dataset(name)
                assert {each.state for each in verify_imported(name)} == {"sound"}
            return made[name]

        yield once


def counted(made, region):
    """Return which sites are recorded: of Kar2018coco those that are reliable, numbered in each animal."""
    names = [str(name).rpartition("/") for name in made.sites[region].names]
    recorded = open_dataset(made.name).recordings(region)
    if "/" not in str(recorded.neuroid_id.values[0]):
        return slice(None)
    numbers = {int(str(name).rpartition("/")[2]) for name in recorded.neuroid_id.values}
    return [k for k, (*_, number) in enumerate(names) if int(number) in numbers]


def of_rates(made, region):
    """Return a model of the true rates of the sites."""
    rates = made.sites[region].rates[:, :, None]
    return Known(responses={region: rates}, ids=made.pictures.ids, areas={region: [region]})


def best_r(made, region):
    """Return the median r, over true rates, of their best linear prediction from all noisy sites."""
    truth = made.sites[region]
    signal = np.cov(truth.rates.T)
    noise = np.diag(truth.noise**2 * np.mean(1 / made.trials))
    explained = signal @ np.linalg.solve(signal + noise, signal)
    return np.median(np.sqrt(np.diag(explained) / np.diag(signal)))


@pytest.mark.parametrize(
    ("name", "region", "measure"),
    [
        pytest.param(*each, marks=[pytest.mark.slow] if each[0] in VARIANTS else [])
        for each in DECLARED
    ],
)
def test_the_truth_is_found(fetched, cache_folder, name, region, measure):
    """Of pixels, in which the rates are linear; of the rates themselves where no map to sites is fitted."""
    made = fetched(name)
    maps = measure in ("pls", "ridge", "ccnorm2")
    model = load_model("pixels") if maps else of_rates(made, region)
    found = score(load_benchmark(f"{name}.{region}-{measure}"), model, Settings())
    linear = LINEAR.get(name, 1.0)
    if measure in ("rsa", "cka"):
        truth = np.sqrt(found.ceiling)  # c by halves, as the measure defines it
    elif measure == "reverse":
        truth = best_r(made, region)
    elif measure == "ccnorm2":
        truth = linear**2
    else:
        truth = linear * np.sqrt(np.median(made.sites[region].c[counted(made, region)]))
    assert found.value / truth == pytest.approx(1, abs=0.09)
    assert found.ci[0] < found.value < found.ci[1]


def test_no_declared_benchmark_of_these_sets_is_left_out():
    """Dynamics, of recordings over time, are in test_standins."""
    tested = {f"{name}.{region}-{measure}" for name, region, measure in DECLARED}
    declared = {name for name in list_benchmarks() if name.partition(".")[0] in MEASURES}
    assert {name for name in declared if not name.endswith("-dynamics")} == tested
