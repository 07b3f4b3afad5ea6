"""A simulated brain as a data source: pictures, trials of sites, and the truth behind them."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import xarray as xr

from brainbench.core import assembly, progress
from brainbench.core.assembly import Assembly
from brainbench.core.errors import InputError, unknown
from brainbench.core.provenance import sha256
from brainbench.core.stimuli import StimulusSet, from_arrays
from brainbench.data.manifest import Manifest
from brainbench.metrics.behavior import i2n
from brainbench.metrics.classification import logistic_regression as decoder
from brainbench.metrics.classification import softmax
from brainbench.metrics.classification import standardize as standardize
from brainbench.metrics.solution_times import decoder as ost_decoder
from brainbench.metrics.solution_times import solution_times as ost
from brainbench.models.digests import source
from brainbench.simulate import network, scenes, sites, subject
from brainbench.simulate import solution_times as solving
from brainbench.simulate.network import BIN_MS, BINS, PICTURE, POPULATION, REGIONS
from brainbench.simulate.scenes import Images, Scene
from brainbench.stats import splits
from brainbench.storage import cache as caches
from brainbench.storage.cache import Cache

Array = npt.NDArray[np.float64]

TIME_BINS = tuple((BIN_MS * k, BIN_MS * (k + 1)) for k in range(BINS))
"""Time bins of every recording, in ms from stimulus onset."""

_ASKED = (subject, solving, decoder, ost_decoder, ost, softmax, standardize, i2n, splits)
"""What turns responses into choices and solution times: computed when asked for, and never stored."""

_KIND = "simulated"
_PICTURES = ".pictures.npy"
_BATCH = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedBrain:
    """A ventral stream whose truth is known, as a `Dataset`.

    It is made when first asked for, in seconds, and kept in the cache. The same parameters give
    the same bytes.

    Parameters
    ----------
    seed : int
        Seed of scenes, hidden network, sites and trials.
    images_per_object : int
        Pictures of each of the eight objects.
    n_trials : int
        Presentations of each picture.
    n_sites : mapping of str to int
        Sites of each region.
    reliability : (lowest, highest)
        Range of the reliability c of the sites' trial average in 70-170 ms. A model without noise
        correlates sqrt(c) with it.
    name : str
        How records call it.
    cache : Cache or None
        Where it is kept; None for the default folder.

    Raises
    ------
    InputError
        Fewer than two pictures, no trial, or no site.
    UnknownNameError
        Sites of another region than V1, V2, V4 and IT.

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
    command: str = field(default="nothing to fetch: it is made when first used", init=False)

    def __post_init__(self) -> None:
        for region in self.n_sites:
            if region not in REGIONS:
                raise unknown("region", region, REGIONS, todo="give sites to these regions only")
        wanted = {
            "seed": (self.seed, 0),
            "images_per_object": (self.images_per_object, 1),
            "n_trials": (self.n_trials, 1),
            **{f"n_sites[{region!r}]": (n, 1) for region, n in self.n_sites.items()},
        }
        for key, (value, least) in wanted.items():
            if value < least:
                raise InputError(
                    f"a simulated brain with {key}={value}",
                    allowed=f"{least} or more",
                    todo=f"give another {key}",
                )

    @cached_property
    def version(self) -> str:
        """SHA-256 over the parameters, the code that makes it, and that of its choices and solution times."""
        return sha256(self._made_by, *(source(module) for module in _ASKED))

    def absent(self) -> str | None:
        """Never absent."""
        return None

    def stimuli(self) -> StimulusSet:
        """Pictures, 224 x 224, with `object_name` and all that varies: place, size, pose, light."""
        pictures = np.load(self._ready()[_PICTURES], mmap_mode="r")
        columns = self._columns()
        ids = columns.pop("stimulus_id").tolist()
        return from_arrays(f"simulated-{self.seed}", pictures, ids=ids, metadata=columns)

    def recordings(self, region: str) -> Assembly:
        """Spike counts of every trial, dims (repetition, stimulus, neuroid, time), bins of 10 ms.

        Coordinates of `neuroid` beside id, region and animal: `reliability` (c of the trial average in
        70-170 ms), `known_ceiling` (sqrt(c)), `gain` and `spontaneous` (see `sites.Readout`).

        Raises
        ------
        UnknownNameError
            A region without sites.
        """
        return self._read(region, "trials")

    def truth(self, region: str) -> Assembly:
        """Expected spike counts behind `recordings`, dims (stimulus, neuroid, time).

        Raises
        ------
        UnknownNameError
            A region without sites.
        """
        return self._read(region, "truth")

    def choice_probabilities(self) -> xr.DataArray:
        """Probability that the subject takes the object it is shown, dims (stimulus, distractor).

        The truth behind `trials`; NaN where the distractor would be the object itself.

        Raises
        ------
        UnknownNameError
            A brain without sites in IT, which the subject reads.
        InputError
            One picture of each object: the subject learns on others than it sees.
        """
        seen = assembly.time_average(self.truth(subject.REGION), subject.WINDOW_MS)
        ids, objects = (seen.coords[key].values for key in ("stimulus_id", "object_name"))
        return xr.DataArray(
            subject.choice_probabilities(seen.values, objects, seed=self.seed),
            dims=("stimulus", "distractor"),
            coords={
                "stimulus_id": ("stimulus", ids),
                "object_name": ("stimulus", objects),
                "distractor": np.unique(objects),
            },
        )

    def trials(self) -> pd.DataFrame:
        """Choices of 20 observers between two objects, 3 trials each of every picture and distractor.

        Columns stimulus_id, truth, distractor, choice, subject; see `brainbench.simulate.subject`.

        Raises
        ------
        UnknownNameError, InputError
            As `choice_probabilities`.
        """
        chosen = self.choice_probabilities()
        names = chosen.coords["distractor"].values
        return subject.draw_trials(
            chosen.values,
            np.searchsorted(names, chosen.coords["object_name"].values),
            stimulus_ids=chosen.coords["stimulus_id"].values,
            objects=names,
            seed=self.seed,
        )

    def solution_times(self) -> pd.DataFrame:
        """When IT has solved each picture, and the sensitivity that this takes.

        Columns stimulus_id, i1 (d' of the simulated subject, the threshold) and ost (ms; NaN where it is
        never reached); see `brainbench.simulate.solution_times`.

        Raises
        ------
        UnknownNameError
            A brain without sites in IT.
        InputError
            One picture of some object.
        """
        expected = self.truth(solving.REGION)
        ids, objects = (expected.coords[key].values for key in ("stimulus_id", "object_name"))
        i1 = solving.thresholds(expected.values, objects, ids)
        measured = assembly.average(self.recordings(solving.REGION)).values
        ost = solving.times(np.asarray(measured, dtype=np.float64), i1, objects, ids)
        return pd.DataFrame({"stimulus_id": ids, "i1": i1, "ost": ost})

    def readout(self, region: str) -> sites.Readout:
        """What the sites of a region compute from the population of its area.

        Raises
        ------
        UnknownNameError
            A region without sites.
        """
        made = self._read(region, "truth")
        return sites.Readout(
            sites=self._sites(region),
            gain=made.coords["gain"].values,
            spontaneous=made.coords["spontaneous"].values,
        )

    @cached_property
    def _made_by(self) -> str:
        """SHA-256 over the parameters and the code that makes what is kept in the cache."""
        return sha256("simulated brain", json.dumps(self._parameters(), sort_keys=True), _code())

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

    def _read(self, region: str, what: str) -> Assembly:
        if region not in self.n_sites:
            raise unknown(
                f"region of {self.name}:", region, list(self.n_sites), todo="choose one of them"
            )
        stored = assembly.load(self._ready()[f".{region}.{what}.nc"])
        try:
            return stored.load()
        finally:
            stored.close()

    def _ready(self) -> dict[str, Path]:
        """Path of each file, made now if one is not in the cache."""
        store = self.cache or caches.default()
        # What is random may change with numpy, and rounding with torch: their versions belong to
        # the key of the files, not to the version of the data.
        key = sha256(self._made_by, np.__version__, torch.__version__)
        found = self._find(store, key)
        if found is None:
            with store.lock(_KIND, key):
                if self._find(store, key) is None:  # another process may have made it meanwhile
                    self._make(store, key)
        return {suffix: store.path(_KIND, key, suffix) for suffix in self._suffixes()}

    def _suffixes(self) -> list[str]:
        parts = [f".{region}.{what}.nc" for region in self.n_sites for what in ("trials", "truth")]
        return [_PICTURES, *parts]

    def _find(self, store: Cache, key: str) -> list[Path] | None:
        found = [store.find(_KIND, key, suffix) for suffix in self._suffixes()]
        return [path for path in found if path] if all(found) else None

    def _make(self, store: Cache, key: str) -> None:
        columns = self._columns()
        n = len(columns["stimulus_id"])
        population = {region: np.empty((n, POPULATION, BINS)) for region in self.n_sites}
        with (
            store.writing(_KIND, key, _PICTURES) as path,
            progress.current().task(f"simulated brain, seed {self.seed}", n) as advance,
        ):
            self._check_room(path.parent, n)
            hidden = network.build_network(seed=self.seed)
            start = 0
            for batch in _stored(path, self._scenes()):
                rows = slice(start, start + len(batch))
                for region, maps in network.respond(hidden, batch).items():
                    if region in population:
                        population[region][rows] = network.pool(hidden, region, maps)
                start = rows.stop
                advance(len(batch))
        for region, responses in population.items():
            self._record(store, key, region, responses, columns)

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
            made = assembly.make(
                values,
                stimulus=columns,
                neuroid=self._neuroids(region, readout),
                time=TIME_BINS,
                repetitions=what == "trials",
                units="spikes per bin of 10 ms",
                attrs={"seed": self.seed, "on_ms": network.ON_MS},
            )
            with store.writing(_KIND, key, f".{region}.{what}.nc") as path:
                assembly.save(made, path)

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

    def _check_room(self, folder: Path, n: int) -> None:
        # netCDF does not say that a disk is full: look before.
        spikes = n * sum(self.n_sites.values()) * BINS
        needed = n * PICTURE * PICTURE * 3 + spikes * (self.n_trials * 2 + 8)
        if shutil.disk_usage(folder).free < needed:
            raise caches.explain(OSError(errno.ENOSPC, "too little space"), folder)


def simulated(manifest: Manifest) -> SimulatedBrain:
    """Make the simulated brain that a manifest declares.

    Raises
    ------
    InputError
        Parameters that a simulated brain does not have.
    """
    parameters = dict(manifest.parameters)
    pixels = parameters.pop("pixels", PICTURE)
    known = {
        "seed": "seed",
        "images_per_object": "images_per_object",
        "trials": "n_trials",
        "sites": "n_sites",
    }
    strange = sorted(set(parameters) - set(known))
    if strange or pixels != PICTURE:
        raise InputError(
            f"manifest of data set {manifest.name!r} with "
            + (f"the parameters {', '.join(strange)}" if strange else f"pixels = {pixels}"),
            allowed=", ".join(known) + f", and pixels = {PICTURE}",
            todo="correct its parameters",
        )
    options = {known[key]: value for key, value in parameters.items()}
    return SimulatedBrain(name=manifest.name, **options)


def _stored(path: Path, shown: list[Scene]) -> Iterator[Images]:
    """Render batch by batch, each written to a .npy file as it is made."""
    shape = (len(shown), PICTURE, PICTURE, 3)
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, header)
        rendered = scenes.stream(shown)
        while batch := list(islice(rendered, _BATCH)):
            pictures = np.stack(batch)
            stream.write(pictures.tobytes())
            yield pictures


def _code() -> str:
    return sha256(*(source(module) for module in (network, scenes, sites)), source(simulated))
