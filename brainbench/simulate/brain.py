"""Simulated brains as data sets: images, trials of recording sites, and the truth behind them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from brainbench.core import assembly, progress
from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError, unknown
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import StimulusSet, from_arrays
from brainbench.data.manifest import Manifest
from brainbench.data.offers import Facts, RegionFacts
from brainbench.simulate import scenes, sites, solution_times, subject
from brainbench.simulate.areas import BIN_MS, BINS, ON_MS, PICTURE, POPULATION, REGIONS
from brainbench.simulate.scenes import Images, Scene
from brainbench.storage import cache as caches
from brainbench.storage.cache import Cache

if TYPE_CHECKING:
    from brainbench.simulate import network

Array = npt.NDArray[np.float64]
BrainT = TypeVar("BrainT", bound="SimulatedBrain")

VERSION = 1
"""Raised when pictures, trials, choices or solution times of the same parameters change; a test holds it."""

TIME_BINS = tuple((BIN_MS * k, BIN_MS * (k + 1)) for k in range(BINS))
"""Time bins of every recording, in ms from stimulus onset."""

_KIND = "simulated"
_PICTURES = ".pictures.npy"
_BATCH = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedBrain:
    """A ventral stream whose truth is known, as a `Dataset`.

    It is computed when first used, in seconds, and kept in the cache (None: the default folder). The same
    parameters give the same bytes. Everything that it returns is computed once and shared: copy it before
    changing it. A region without sites is an UnknownNameError.

    `seed` is that of scenes, hidden network, sites and trials; `n_trials` is the number of presentations of
    each image; `n_sites` has numbers of sites in V1, V2, V4 and IT, and another region is an
    UnknownNameError. `reliability` is the range of the reliability c of the trial averages in 70-170 ms: a
    model without noise correlates sqrt(c) with them. InputError for no images, no trials, or no sites.

    Examples
    --------
    >>> brain = SimulatedBrain(images_per_object=2, n_sites={"IT": 3})
    >>> brain.stimuli().ids[0]  # doctest: +SKIP
    'sim0-cone-000'
    """

    seed: int = 0
    images_per_object: int = scenes.IMAGES_PER_OBJECT
    n_trials: int = sites.TRIALS
    n_sites: Mapping[str, int] = field(default_factory=lambda: MappingProxyType(sites.SITES))
    reliability: tuple[float, float] = sites.RELIABILITY
    name: str = "Simulated"
    cache: Cache | None = field(default=None, repr=False)
    simulated: bool = field(default=True, init=False)
    command: str = field(default="nothing to fetch: it is computed when first used", init=False)

    def __post_init__(self) -> None:
        for region in self.n_sites:
            if region not in REGIONS:
                raise unknown("region", region, REGIONS, todo="give sites to these regions only")
        minimums = {
            "seed": (self.seed, 0),
            "images_per_object": (self.images_per_object, 1),
            "n_trials": (self.n_trials, 1),
            **{f"n_sites[{region!r}]": (n, 1) for region, n in self.n_sites.items()},
        }
        for key, (value, minimum) in minimums.items():
            if value < minimum:
                raise InputError(
                    f"a simulated brain with {key}={value}",
                    allowed=f"{minimum} or more",
                    todo=f"give another {key}",
                )

    @cached_property
    def version(self) -> str:
        """SHA-256 over the parameters and `VERSION`."""
        parameters = json.dumps(self._parameters(), sort_keys=True)
        return sha256("simulated brain", str(VERSION), parameters)

    @cached_property
    def facts(self) -> Facts:
        """What there is of images, responses and behavior; nothing is computed for it."""
        recorded = partial(
            RegionFacts,
            trials=self.n_trials,
            least_trials=self.n_trials,
            bins=BINS,
            span=(TIME_BINS[0][0], TIME_BINS[-1][1]),
        )
        return Facts(
            regions={region: recorded(sites=n) for region, n in self.n_sites.items()},
            objects=dict(Counter(self._columns()["object_name"].tolist())),
            tables=("trials", "solution_times"),
        )

    def absent(self) -> str | None:
        """Return None: the data is always here."""
        return None

    def stimuli(self) -> StimulusSet:
        """Return the images, 224 x 224, with `object_name`, position, size, pose and lighting."""
        return self._stimuli

    @cached_property
    def _stimuli(self) -> StimulusSet:
        pictures = np.load(self._paths()[_PICTURES], mmap_mode="r")
        columns = self._columns()
        ids = columns.pop("stimulus_id").tolist()
        return from_arrays(f"simulated-{self.seed}", pictures, ids=ids, metadata=columns)

    def recordings(self, region: str) -> Assembly:
        """Return the spike counts of every trial, dims (repetition, stimulus, neuroid, time).

        Time bins are 10 ms long. Coordinates of `neuroid` beside id, region and animal: `reliability`
        (c of the trial average in 70-170 ms), `known_ceiling` (sqrt(c)), `gain` and `spontaneous` (see
        `sites.Readout`).
        """
        return self._load(region, "trials")

    def truth(self, region: str) -> Assembly:
        """Return the expected spike counts behind `recordings`, dims (stimulus, neuroid, time)."""
        return self._load(region, "truth")

    def choice_probabilities(self) -> xr.DataArray:
        """Return the probability that the subject chooses the object that is shown, (stimulus, distractor).

        This is the truth behind `trials`; NaN where the distractor is the object itself. The subject reads
        IT: a brain without sites there is an UnknownNameError. It learns on other images than it sees: one
        image of each object is an InputError.
        """
        return self._choice_probabilities

    @cached_property
    def _choice_probabilities(self) -> xr.DataArray:
        rates = assembly.time_average(self.truth(subject.REGION), subject.WINDOW_MS)
        ids, objects = (rates.coords[key].values for key in ("stimulus_id", "object_name"))
        return xr.DataArray(
            subject.choice_probabilities(rates.values, objects, seed=self.seed),
            dims=("stimulus", "distractor"),
            coords={
                "stimulus_id": ("stimulus", ids),
                "object_name": ("stimulus", objects),
                "distractor": np.unique(objects),
            },
        )

    def trials(self) -> pd.DataFrame:
        """Return the choices of 20 observers between two objects, 3 for each image and distractor.

        Columns stimulus_id, truth, distractor, choice, subject; errors as for `choice_probabilities`.
        """
        return self._trials

    @cached_property
    def _trials(self) -> pd.DataFrame:
        probabilities = self.choice_probabilities()
        names = probabilities.coords["distractor"].values
        return subject.draw_trials(
            probabilities.values,
            np.searchsorted(names, probabilities.coords["object_name"].values),
            stimulus_ids=probabilities.coords["stimulus_id"].values,
            objects=names,
            seed=self.seed,
        )

    def solution_times(self) -> pd.DataFrame:
        """Return when IT has solved each image, and the sensitivity that counts as solved.

        Columns stimulus_id, i1 (d' of the simulated subject, the threshold) and ost (ms; NaN where it is
        never reached); see `brainbench.simulate.solution_times`. One image of some object is an InputError.
        """
        return self._solution_times

    @cached_property
    def _solution_times(self) -> pd.DataFrame:
        expected = self.truth(solution_times.REGION)
        ids, objects = (expected.coords[key].values for key in ("stimulus_id", "object_name"))
        i1 = solution_times.thresholds(expected.values, objects, ids)
        averages = assembly.average(self.recordings(solution_times.REGION)).values
        ost = solution_times.times(np.asarray(averages, dtype=np.float64), i1, objects, ids)
        return pd.DataFrame({"stimulus_id": ids, "i1": i1, "ost": ost})

    def readout(self, region: str) -> sites.Readout:
        """Return what the sites of a region compute from the population of their area."""
        coordinates = self.truth(region).coords
        return sites.Readout(
            sites=self._sites(region),
            gain=coordinates["gain"].values,
            spontaneous=coordinates["spontaneous"].values,
        )

    def _parameters(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "images_per_object": self.images_per_object,
            "n_trials": self.n_trials,
            "n_sites": dict(self.n_sites),
            "reliability": list(self.reliability),
        }

    def _scenes(self) -> list[Scene]:
        return scenes.draw_scenes(seed=self.seed, images_per_object=self.images_per_object)

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        rows = [scene.metadata() for scene in self._scenes()]
        return {key: np.array([row[key] for row in rows]) for key in rows[0]}

    def _sites(self, region: str) -> sites.Sites:
        return sites.draw_sites(
            region, seed=self.seed, n_sites=self.n_sites[region], reliability=self.reliability
        )

    @cached_property
    def _loaded(self) -> dict[str, Assembly]:
        return {}

    def _load(self, region: str, what: str) -> Assembly:
        if region not in self.n_sites:
            raise unknown(
                f"region of {self.name}:", region, list(self.n_sites), todo="choose one of them"
            )
        suffix = f".{region}.{what}.nc"
        if suffix not in self._loaded:
            with assembly.load(self._paths()[suffix]) as stored:
                self._loaded[suffix] = stored.load()
        return self._loaded[suffix]

    def _paths(self) -> dict[str, Path]:
        """Return the path of each file by its suffix; the files are computed if the cache lacks one."""
        store = self.cache or caches.default()
        import torch

        # Random numbers may change with numpy, and rounding with torch: their versions belong to
        # the key of the files, not to the version of the data.
        key = sha256(self.version, np.__version__, torch.__version__)
        return store.obtain(_KIND, key, self._suffixes(), partial(self._compute, store, key))

    def _suffixes(self) -> list[str]:
        parts = [f".{region}.{what}.nc" for region in self.n_sites for what in ("trials", "truth")]
        return [_PICTURES, *parts]

    def _compute(self, store: Cache, key: str) -> None:
        from brainbench.simulate import network

        columns = self._columns()
        n = len(columns["stimulus_id"])
        population = {region: np.empty((n, POPULATION, BINS)) for region in self.n_sites}
        with (
            store.writing(_KIND, key, _PICTURES) as path,
            progress.current().task(f"simulated brain, seed {self.seed}", n) as advance,
        ):
            store.check_room(self._nbytes(n), what="a simulated brain")
            hidden = network.build_network(seed=self.seed)
            start = 0
            for batch in _render_to(path, self._scenes()):
                rows = slice(start, start + len(batch))
                for region, maps in self._responses(hidden, batch, start).items():
                    if region in population:
                        population[region][rows] = network.pool(hidden, region, maps)
                start = rows.stop
                advance(len(batch))
        for region, responses in population.items():
            self._record(store, key, region, responses, columns)

    def _responses(
        self, hidden: network.HiddenNetwork, pictures: Images, first: int
    ) -> dict[str, Array]:
        """Return the maps of each area for rendered pictures, the first of which has this number."""
        from brainbench.simulate import network

        return network.respond(hidden, pictures)

    def _record(
        self,
        store: Cache,
        key: str,
        region: str,
        population: Array,
        columns: Mapping[str, npt.NDArray[Any]],
    ) -> None:
        readout = sites.calibrate(self._sites(region), population, n_trials=self.n_trials)
        expected = sites.expected_counts(readout, population)
        counts = sites.draw_trials(expected, region=region, seed=self.seed, n_trials=self.n_trials)
        for what, values in (("trials", counts), ("truth", expected)):
            recording = assembly.make(
                values,
                stimulus=columns,
                neuroid=self._neuroids(region, readout),
                time=TIME_BINS,
                repetitions=what == "trials",
                units="spikes per bin of 10 ms",
                attrs={"seed": self.seed, "on_ms": ON_MS},
            )
            with store.writing(_KIND, key, f".{region}.{what}.nc") as path:
                assembly.save(recording, path)

    def _neuroids(self, region: str, readout: sites.Readout) -> dict[str, npt.ArrayLike]:
        n = len(readout.gain)
        return {
            "neuroid_id": [f"sim{self.seed}-{region}-{index:03d}" for index in range(n)],
            "region": [region] * n,
            "animal": [f"sim{self.seed}"] * n,
            "reliability": readout.sites.reliability,
            "known_ceiling": readout.sites.known_ceiling,
            "gain": readout.gain,
            "spontaneous": readout.spontaneous,
        }

    def _nbytes(self, n_images: int) -> int:
        n_counts = n_images * sum(self.n_sites.values()) * BINS
        return n_images * PICTURE * PICTURE * 3 + n_counts * (self.n_trials * 2 + 8)


def simulated(manifest: Manifest) -> SimulatedBrain:
    """Return the simulated brain that a manifest declares; InputError for unknown parameters."""
    return brain_of(manifest, SimulatedBrain)


def brain_of(manifest: Manifest, kind: type[BrainT]) -> BrainT:
    """Return a simulated brain of a kind with the parameters of a manifest; InputError for unknown ones."""
    parameters = dict(manifest.parameters)
    pixels = parameters.pop("pixels", PICTURE)
    options = {
        "seed": "seed",
        "images_per_object": "images_per_object",
        "trials": "n_trials",
        "sites": "n_sites",
    }
    unknown_parameters = sorted(set(parameters) - set(options))
    if unknown_parameters or pixels != PICTURE:
        raise InputError(
            f"manifest of data set {manifest.name!r} with "
            + (
                f"the parameters {', '.join(unknown_parameters)}"
                if unknown_parameters
                else f"pixels = {pixels}"
            ),
            allowed=", ".join(options) + f", and pixels = {PICTURE}",
            todo="correct its parameters",
        )
    given = {options[key]: value for key, value in parameters.items()}
    return kind(name=manifest.name, **given)


def _render_to(path: Path, drawn: list[Scene]) -> Iterator[Images]:
    """Render scenes in batches, write them to a .npy file and yield each batch."""
    shape = (len(drawn), PICTURE, PICTURE, 3)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        rendered = scenes.stream(drawn)
        while batch := list(islice(rendered, _BATCH)):
            pictures = np.stack(batch)
            stream.write(pictures.tobytes())
            yield pictures
