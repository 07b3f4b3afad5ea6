"""Stand-ins of published recordings: their layout to the letter, and a brain whose truth is known.

Pictures are sums of a few smooth patterns with known weights. Sites respond with a linear function of the
weights and independent noise, so that the reliability c of their mean is known in closed form, a model of the
true rates reaches sqrt(c), and pixels, which are linear in the weights too, come near to it.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image

import brainbench_manifests
from brainbench.data.manifest import Manifest, manifest

PATTERNS = 9


@dataclass(kw_only=True)
class Pictures:
    """Pictures of objects: weights of the patterns (image, pattern), 0 on average, and ids."""

    n_objects: int
    per_object: int
    pixels: int = 32
    seed: int = 0
    suffix: str = "png"
    ids: list[str] = field(init=False)
    weights: np.ndarray = field(init=False)
    files: dict[str, bytes] = field(init=False)  # name -> content

    def __post_init__(self) -> None:
        rng = np.random.default_rng([self.seed, 1])
        of_objects = rng.standard_normal((self.n_objects, PATTERNS))
        n = self.n_objects * self.per_object
        own = rng.standard_normal((n, PATTERNS))
        self.weights = 0.6 * np.repeat(of_objects, self.per_object, axis=0) + own
        patterns = self._patterns()
        contents = [self._encoded(weights, patterns) for weights in self.weights]
        self.ids = [hashlib.sha1(c, usedforsecurity=False).hexdigest() for c in contents]
        self.files = {
            f"{name}.{self.suffix}": c for name, c in zip(self.ids, contents, strict=True)
        }

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def objects(self) -> np.ndarray:
        return np.repeat([f"object{k:02d}" for k in range(self.n_objects)], self.per_object)

    def _patterns(self) -> np.ndarray:
        at = (np.arange(self.pixels) + 0.5) / self.pixels
        waves = [np.cos(np.pi * k * at) for k in range(4)]
        pairs = [(i, j) for i in range(4) for j in range(4) if i + j > 0][:PATTERNS]
        return np.stack([np.outer(waves[i], waves[j]) for i, j in pairs])

    def _encoded(self, weights: np.ndarray, patterns: np.ndarray) -> bytes:
        gray = 128 + 9 * np.tensordot(weights, patterns, 1)
        stream = io.BytesIO()
        picture = Image.fromarray(np.clip(np.round(gray), 0, 255).astype(np.uint8))
        options = {"quality": 95} if self.suffix == "jpg" else {}
        picture.save(stream, "JPEG" if self.suffix == "jpg" else "PNG", **options)
        return stream.getvalue()


@dataclass(kw_only=True)
class Sites:
    """Sites of a region with a known reliability c of the mean over the trials."""

    names: Sequence[Any]
    rates: np.ndarray  # image x site, the truth
    noise: np.ndarray  # standard deviation of the noise of a trial, of each site
    c: np.ndarray  # reliability of the mean


def sites_of(
    pictures: Pictures,
    n_sites: int,
    n_trials: np.ndarray,
    *,
    names: Sequence[Any],
    seed: int = 0,
    low: float = 0.5,
    high: float = 0.9,
) -> Sites:
    """Draw sites; `n_trials` is the number of trials of each image. c is exact for equal numbers."""
    rng = np.random.default_rng([seed, 2])
    rates = pictures.weights @ rng.standard_normal((PATTERNS, n_sites))
    rates = (rates - rates.mean(0)) / rates.std(0)
    c = rng.uniform(low, high, n_sites)
    noise = np.sqrt((1 - c) / c / np.mean(1 / n_trials))
    return Sites(names=list(names), rates=rates, noise=noise, c=c)


@dataclass(kw_only=True)
class StandIn:
    """The three files of a set as published, by name, and what is true of it."""

    name: str
    folder: Path
    pictures: Pictures
    sites: Mapping[str, Sites]
    trials: np.ndarray  # number of trials of each image

    @property
    def declared(self) -> Manifest:
        return manifest(self.name)

    def table(self, url: str) -> dict[str, Any]:
        """Return the manifest of the stand-in: that of the set with its own addresses and checksums."""
        table = getattr(brainbench_manifests, self.name.lower())
        files = []
        for file in table["files"]:
            content = (self.folder / file["path"]).read_bytes()
            digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
            files.append(
                {
                    "path": file["path"],
                    "url": f"{url}/{file['path']}",
                    "checksum": f"sha1:{digest}",
                }
            )
        return {**table, "files": files}

    def file(self, suffix: str) -> Path:
        (path,) = (self.folder / f.path for f in self.declared.files if f.path.endswith(suffix))
        return path

    def register(self, patch: pytest.MonkeyPatch, url: str = "http://127.0.0.1:9") -> None:
        """Let the stand-in take the place of the set, as its files are now."""
        table = self.table(url)
        patch.setattr(brainbench_manifests, self.name.lower(), table, raising=False)


def write_csv(path: Path, columns: Mapping[str, Any], seed: int = 0) -> None:
    """Write a stimulus csv: columns in an arbitrary order, as from a Python set."""
    order = np.random.default_rng([seed, 3]).permutation(list(columns)).tolist()
    pd.DataFrame({key: columns[key] for key in order}).to_csv(path, index=False)


def write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_assembly(
    path: Path,
    values: np.ndarray,
    dims: Sequence[str],
    coords: Mapping[str, tuple[str, Any]],
    *,
    variable: str = "data",
    **encoding: Any,
) -> None:
    """Write an assembly as the published ones; `values` is (presentation, neuroid, time_bin)."""
    array = xr.DataArray(values, dims=("presentation", "neuroid", "time_bin"), coords=coords)
    array = array.transpose(*dims)
    attrs = {"stimulus_set_identifier": path.stem}
    dataset = array.assign_attrs(attrs).to_dataset(name=variable).assign_attrs(attrs)
    dataset.to_netcdf(
        path,
        engine="netcdf4",
        format="NETCDF4",
        encoding={variable: {"zlib": True, "complevel": 1, **encoding}},
    )


def presentations(n_trials: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return image and repetition of each presentation, in the order of a recording: at random."""
    image = np.repeat(np.arange(len(n_trials)), n_trials)
    repetition = np.concatenate([np.arange(n) for n in n_trials])
    order = np.random.default_rng([seed, 4]).permutation(len(image))
    return image[order], repetition[order]


def drawn(sites: Sites, image: np.ndarray, seed: int, course: np.ndarray) -> np.ndarray:
    """Draw a response to each presentation, float32 (presentation, neuroid, time)."""
    rng = np.random.default_rng([seed, 5])
    shape = (len(image), len(sites.names), len(course))
    trials = rng.standard_normal(shape, dtype=np.float32)
    trials *= sites.noise.astype(np.float32)[:, None]
    trials += (sites.rates[image][:, :, None] * course).astype(np.float32)
    return trials


# --- the sets ---------------------------------------------------------------------------------------


def majaj(
    folder: Path,
    name: str = "MajajHong2015public",
    *,
    n_objects: int = 8,
    per_object: int = 15,
    trials: tuple[int, int] = (8, 12),
    sites: tuple[int, int] = (26, 30),
    pixels: int = 32,
    seed: int = 0,
    bins: Sequence[tuple[int, int]] = ((70, 170),),
) -> StandIn:
    """MajajHong2015 and its variants: neuroid first, unequal repetitions, NaN and text in the csv."""
    pictures = Pictures(n_objects=n_objects, per_object=per_object, pixels=pixels, seed=seed)
    variation = np.where(np.arange(len(pictures)) % 5 == 0, 0, 3)
    n_trials = np.where(variation == 0, trials[0], trials[1])
    arrays = {"V4": ["V4"], "IT": ["pIT", "cIT", "aIT"]}
    regions, columns = {}, []
    for region, n, letter in (("V4", sites[0], "A"), ("IT", sites[1], "M")):
        ids = [f"{'Chabo' if k % 3 else 'Tito'}_L_{letter}_{k // 10}_{k % 10}" for k in range(n)]
        regions[region] = sites_of(
            pictures, n, n_trials, names=ids, seed=seed + len(region) + ord(letter)
        )
        columns += [(i, region, arrays[region][k % len(arrays[region])]) for k, i in enumerate(ids)]
    order = np.random.default_rng([seed, 6]).permutation(len(columns))  # regions are mixed
    image, repetition = presentations(n_trials, seed)
    values = np.concatenate(
        [
            drawn(one, image, seed + k, course_of(region, bins))
            for k, (region, one) in enumerate(regions.items())
        ],
        axis=1,
    )[:, order]
    ids, areas, parts = (np.array([columns[k][i] for k in order]) for i in range(3))
    coords = {
        "image_id": ("presentation", np.array(pictures.ids)[image]),
        "repetition": ("presentation", repetition),
        # the assembly's values win over those of the csv
        "object_name": ("presentation", pictures.objects[image]),
        "neuroid_id": ("neuroid", ids),
        "arr": ("neuroid", np.array([i.split("_")[2] for i in ids])),
        "animal": ("neuroid", np.array([i.split("_")[0] for i in ids])),
        "y": ("neuroid", np.linspace(0.2, 1.8, len(ids))),
        "x": ("neuroid", np.linspace(0.2, 1.8, len(ids))),
        "subregion": ("neuroid", parts),
        "region": ("neuroid", areas),
        "time_bin_start": ("time_bin", np.array([a for a, _ in bins])),
        "time_bin_end": ("time_bin", np.array([b for _, b in bins])),
    }
    standin = StandIn(name=name, folder=folder, pictures=pictures, sites=regions, trials=n_trials)
    write_assembly(
        standin.file(".nc"),
        values,
        ("neuroid", "presentation", "time_bin"),
        coords,
        variable="dicarlo.MajajHong2015",
    )
    write_csv(
        standin.file(".csv"),
        {
            "image_id": pictures.ids,
            "object_name": ["wrong"] * len(pictures),
            "category_name": pictures.objects,
            "variation": variation,
            "background_id": ["" if k % 4 else f"b{k}" for k in range(len(pictures))],  # NaN
            "size": np.where(np.arange(len(pictures)) % 3, 1.5, np.nan),
            "rxy": np.linspace(-1, 1, len(pictures)),
            "id": np.arange(len(pictures)),
            "filename": list(pictures.files),
        },
        seed,
    )
    write_zip(standin.file(".zip"), pictures.files)
    return standin


def course_of(region: str, bins: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return what a network without time does on a picture of 100 ms: from 50 ms in V4, from 70 in IT."""
    first = {"V4": 50, "IT": 70}[region]
    if len(bins) == 1:
        return np.ones(1)
    return np.array([float(first <= start < first + 100) for start, _ in bins])


TEN_MS = tuple((10 * k, 10 * (k + 1)) for k in range(26))
"""0 to 260 ms: of these Brain-Score never uses the last."""


def majaj_temporal(folder: Path, name: str = "MajajHong2015temporal", **options: Any) -> StandIn:
    """The recording over time, with the arrays pIT, cIT and aIT."""
    sizes = {"per_object": 20, "sites": (30, 60), **options}
    return majaj(folder, name, bins=TEN_MS, **sizes)


def freeman_ziemba(
    folder: Path,
    name: str = "FreemanZiemba2013public",
    *,
    n_families: int = 6,
    n_samples: int = 12,
    n_trials: int = 20,
    sites: tuple[int, int] = (5, 6),
    pixels: int = 32,
    seed: int = 0,
) -> StandIn:
    """Spike counts in 300 bins of 1 ms, (neuroid, time_bin, presentation), float64; textures and noises."""
    pictures = Pictures(n_objects=n_families, per_object=n_samples, pixels=pixels, seed=seed)
    trials = np.full(len(pictures), n_trials)
    image, repetition = presentations(trials, seed)
    n_v1, n_v2 = sites
    regions = {
        region: sites_of(pictures, n, trials, names=ids, seed=seed + len(ids))
        for region, n, ids in (
            ("V1", n_v1, range(1, n_v1 + 1)),
            ("V2", n_v2, range(n_v1 + 1, n_v1 + n_v2 + 1)),
        )
    }
    rng, counts = np.random.default_rng([seed, 7]), []
    for one in regions.values():
        # Poisson counts: c of the mean over 150 ms is var / (var + mean / trials).
        expected = 6.0 * np.exp(0.35 * one.rates)  # spikes from 50 to 200 ms
        variance = expected.var(axis=0)
        one.c = variance / (variance + expected.mean(axis=0) / n_trials)
        one.rates = expected
        course = np.where((np.arange(300) >= 50) & (np.arange(300) < 200), 1 / 150, 0.0)
        counts.append(rng.poisson(expected[image][:, :, None] * course).astype(np.float64))
    texture = np.where(np.arange(len(pictures)) % 2, "texture", "noise")
    bins = np.arange(300)
    standin = StandIn(name=name, folder=folder, pictures=pictures, sites=regions, trials=trials)
    write_assembly(
        standin.file(".nc"),
        np.concatenate(counts, axis=1),
        ("neuroid", "time_bin", "presentation"),
        {
            "neuroid_id": ("neuroid", np.arange(1, n_v1 + n_v2 + 1)),
            "region": ("neuroid", np.repeat(["V1", "V2"], sites)),
            "time_bin_start": ("time_bin", bins),
            "time_bin_end": ("time_bin", bins + 1),
            "repetition": ("presentation", repetition),
            "image_id": ("presentation", np.array(pictures.ids)[image]),
        },
    )
    write_csv(
        standin.file(".csv"),
        {
            "image_id": pictures.ids,
            "id": np.arange(len(pictures)),
            "image_file_sha1": pictures.ids,
            "image_file_name": [f"{t[:3]}-32x32-smp{k}.png" for k, t in enumerate(texture)],
            "texture_type": texture,
            "texture_family": np.arange(len(pictures)) // n_samples,
            "sample": 1 + np.arange(len(pictures)) % n_samples,
            "resolution": ["320x320"] * len(pictures),
            "filename": list(pictures.files),
        },
        seed,
    )
    write_zip(standin.file(".zip"), pictures.files)
    return standin


def cadena(
    folder: Path, name: str = "Cadena2017", *, n_images: int = 150, n_sites: int = 10, seed: int = 0
) -> StandIn:
    """Bare ids of neuroids, repetition_id, float edges, NaN, one picture twice under the same id."""
    pictures = Pictures(n_objects=1, per_object=n_images, suffix="jpg", seed=seed)
    trials = np.full(n_images, 4)
    image, repetition = presentations(trials, seed)
    sites = sites_of(pictures, n_sites, trials, names=range(n_sites), seed=seed)
    sites.rates, sites.noise = 3 * sites.rates + 10, 3 * sites.noise
    values = np.round(drawn(sites, image, seed, np.ones(1))).astype(np.float64)
    rng = np.random.default_rng([seed, 8])
    values[rng.random((len(image), n_sites)) < 0.03] = np.nan  # a trial that a site lacks
    never = np.arange(n_images) % 7 == 3
    values[np.ix_(np.flatnonzero(never[image]), [0])] = np.nan  # images that site 0 never saw
    ids = np.array(pictures.ids)
    ids[1] = ids[0]  # of the same id and the same picture
    names = np.array([f"image_{k:05d}.jpg" for k in range(n_images)])
    standin = StandIn(
        name=name, folder=folder, pictures=pictures, sites={"V1": sites}, trials=trials
    )
    write_assembly(
        standin.file(".nc"),
        values,
        ("neuroid", "presentation", "time_bin"),
        {
            "neuroid": ("neuroid", np.arange(n_sites)),
            "id": ("presentation", np.arange(len(image))),
            "image_id": ("presentation", ids[image]),
            "image_file_name": ("presentation", names[image]),
            "image_index": ("presentation", image.astype(str)),
            "repetition_id": ("presentation", repetition),
            "time_bin_start": ("time_bin", [40.0]),
            "time_bin_end": ("time_bin", [100.0]),
        },
    )
    files = dict(zip(names.tolist(), pictures.files.values(), strict=True))
    files[str(names[1])] = files[str(names[0])]
    write_csv(
        standin.file(".csv"),
        {
            "image_id": ids,
            "image_file_sha1": ids,
            "image_file_name": names,
            "filename": names,
        },
        seed,
    )
    write_zip(standin.file(".zip"), files)
    return standin


def kar_hvm(folder: Path, name: str = "Kar2018hvm", *, n_trials: int = 9, seed: int = 0) -> StandIn:
    """Ids that restart for each animal, `monkey`, and half of the pictures of the set."""
    return _two_animals(folder, name, n_trials=n_trials, seed=seed, every=2)


def kar_coco(
    folder: Path, name: str = "Kar2018coco", *, n_trials: int = 9, seed: int = 1
) -> StandIn:
    """All pictures of the set; half of the sites are less reliable than .9."""
    return _two_animals(folder, name, n_trials=n_trials, seed=seed, every=1)


def _two_animals(folder: Path, name: str, *, n_trials: int, seed: int, every: int) -> StandIn:
    pictures = Pictures(n_objects=8, per_object=24, seed=seed)
    shown = np.arange(0, len(pictures), every)
    trials = np.full(len(shown), n_trials)
    at, repetition = presentations(trials, seed)
    image = shown[at]
    n = 10
    ids = np.tile(np.arange(n), 2)
    sites = sites_of(
        pictures, 2 * n, np.full(len(pictures), n_trials), names=ids, seed=seed, low=0.97, high=0.98
    )
    unreliable = np.arange(2 * n) % 2 == 1
    sites.c = np.where(unreliable, 0.6, sites.c)
    sites.noise = np.sqrt((1 - sites.c) / sites.c * n_trials)
    standin = StandIn(
        name=name, folder=folder, pictures=pictures, sites={"IT": sites}, trials=trials
    )
    write_assembly(
        standin.file(".nc"),
        drawn(sites, image, seed, np.ones(1)),
        ("presentation", "neuroid", "time_bin"),
        {
            "image_id": ("presentation", np.array(pictures.ids)[image]),
            "image_num": ("presentation", image),
            "repetition": ("presentation", repetition),
            "neuroid_id": ("neuroid", ids),
            "region": ("neuroid", ["IT"] * (2 * n)),
            "monkey": ("neuroid", np.repeat(["nano", "magneto"], n)),
            "time_bin_start": ("time_bin", [70]),
            "time_bin_end": ("time_bin", [170]),
        },
    )
    columns = {"image_id": pictures.ids, "filename": list(pictures.files)}
    label = {"object_name": pictures.objects} if every > 1 else {"label": pictures.objects}
    write_csv(standin.file(".csv"), {**columns, **label}, seed)
    write_zip(standin.file(".zip"), pictures.files)
    return standin


SANGHAVI_BINS = (
    (70, 170), (170, 270), (50, 100), (100, 150), (150, 200), (200, 250), (70, 270),
)  # fmt: skip


def sanghavi(
    folder: Path, name: str = "Sanghavi2020", *, n_trials: int = 6, seed: int = 0
) -> StandIn:
    """Seven time bins that overlap, time_bin_stop, and bins with another response than the first."""
    return _with_stop(
        folder, name, ("V4", "IT"), SANGHAVI_BINS, n_trials=n_trials, fewest=n_trials, seed=seed
    )


def rajalingham2020(
    folder: Path, name: str = "Rajalingham2020", *, n_trials: int = 8, seed: int = 0
) -> StandIn:
    """time_bin_stop, and repetitions that are NaN behind the last one of an image."""
    return _with_stop(
        folder, name, ("IT",), ((70, 170),), n_trials=n_trials, fewest=n_trials - 2, seed=seed
    )


def _with_stop(
    folder: Path,
    name: str,
    areas: Sequence[str],
    bins: Sequence[tuple[int, int]],
    *,
    n_trials: int,
    fewest: int,
    seed: int,
) -> StandIn:
    pictures = Pictures(n_objects=8, per_object=20, seed=seed)
    n_images, n = len(pictures), 8
    trials = np.where(np.arange(n_images) % 3, n_trials, fewest)
    image, repetition = presentations(np.full(n_images, n_trials), seed)
    regions = {
        region: sites_of(
            pictures, n, trials, names=[f"{region}{k}" for k in range(n)], seed=seed + k
        )
        for k, region in enumerate(areas)
    }
    course = np.array([1.0, *np.zeros(len(bins) - 1)])
    values = np.concatenate(
        [drawn(one, image, seed + k, course) for k, one in enumerate(regions.values())], axis=1
    )
    values[repetition >= trials[image]] = np.nan
    standin = StandIn(name=name, folder=folder, pictures=pictures, sites=regions, trials=trials)
    start, stop = np.array(bins).T
    write_assembly(
        standin.file(".nc"),
        values,
        ("presentation", "neuroid", "time_bin"),
        {
            "stimulus_id": ("presentation", np.array(pictures.ids)[image]),
            "repetition": ("presentation", repetition),
            "neuroid_id": ("neuroid", np.concatenate([one.names for one in regions.values()])),
            "region": ("neuroid", np.repeat(list(areas), n)),
            "time_bin_id": ("time_bin", np.arange(len(bins))),
            "time_bin_start": ("time_bin", start),
            "time_bin_stop": ("time_bin", stop),
        },
    )
    write_csv(
        standin.file(".csv"),
        {
            "stimulus_id": pictures.ids,
            "object_name": pictures.objects,
            "grp5_bigram_freq": [str(k / 7) for k in range(n_images)],
            "filename": list(pictures.files),
        },
        seed,
    )
    write_zip(standin.file(".zip"), pictures.files)
    return standin


MAKERS = {
    "MajajHong2015": majaj,
    "MajajHong2015public": majaj,
    "MajajHong2015temporal": majaj_temporal,
    "MajajHong2015temporalprivate": majaj_temporal,
    "FreemanZiemba2013": freeman_ziemba,
    "FreemanZiemba2013public": freeman_ziemba,
    "Cadena2017": cadena,
    "Kar2018hvm": kar_hvm,
    "Kar2018coco": kar_coco,
    "Sanghavi2020": sanghavi,
    "SanghaviJozwik2020": sanghavi,
    "SanghaviMurty2020": sanghavi,
    "Rajalingham2020": rajalingham2020,
}
"""The stand-in of each set, (folder, name) -> StandIn."""
