"""Importer of published recordings in the layout of Brain-Score: an assembly, a csv and a zip of images.

One reader for all such sets: the parameters of a manifest say in what they differ. The assembly is read
block by block and written to one array for each region, (repetition, stimulus, neuroid, time), which is
memory-mapped afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import xarray as xr
from pydantic import PositiveFloat, ValidationError

from brainbench.core.assembly import Assembly, plain
from brainbench.core.errors import DataAbsentError, InputError, unknown
from brainbench.core.stimuli import OBJECT, Picture, StimulusSet
from brainbench.data.files_only import local_copy
from brainbench.data.importers import brainio_import
from brainbench.data.importers.brainio_import import ABOUT, PIXELS, STIMULI
from brainbench.data.importers.brainio_layout import Columns
from brainbench.data.manifest import Manifest, PublishedFile, invalid
from brainbench.data.offers import Facts, RegionFacts
from brainbench.data.published import PublishedData, Source, version_of
from brainbench.data.source_files import check_file

FORMAT = 1  # increased whenever the layout of imported files changes
_KINDS = (".nc", ".csv", ".zip")
Bins = tuple[tuple[float, float], ...]


class Declared(Source):
    """Parameters of the manifest: in what published sets of this layout differ.

    `files` are assembly, csv and zip. `region` names the region of all sites where the assembly does not.
    `objects` is the column that splits are stratified by, "" for none. `repetition`, `apart`, `array`, `bins`
    and `bin_ms` are those of `Columns`. `whole_set` is false for a recording of some images of the set, and
    `unrecorded` allows images without a trial of some site: they are left out. `least_reliability` leaves out
    sites whose split-half, Spearman-Brown corrected, is lower. `unused_end_ms` is what Brain-Score never uses
    at the end of a recording over time.
    """

    files: tuple[PublishedFile, ...]
    regions: tuple[str, ...]
    units: str | None = None
    degrees: PositiveFloat | None = None
    region: str | None = None
    objects: str = OBJECT
    repetition: str = "repetition"
    apart: str | None = None
    array: str | None = None
    bins: Bins | None = None
    bin_ms: PositiveFloat | None = None
    whole_set: bool = True
    unrecorded: bool = False
    least_reliability: float | None = None
    unused_end_ms: float = 0.0

    @property
    def place(self) -> str:
        """Where the files are published."""
        parts = urlsplit(self.files[0].url)
        return f"{len(self.files)} files at {parts.netloc}{PurePosixPath(parts.path).parent}"

    @property
    def columns(self) -> Columns:
        """In what the assembly differs from others."""
        return Columns(
            repetition=self.repetition,
            apart=self.apart,
            array=self.array,
            bins=self.bins,
            bin_ms=self.bin_ms,
        )

    def file(self, kind: str) -> PublishedFile:
        """Return the file whose name ends in `kind`."""
        (file,) = (file for file in self.files if file.path.endswith(kind))
        return file


@dataclass(frozen=True, kw_only=True, eq=False)
class BrainioData(PublishedData[Declared]):
    """Images and the trials of the sites of one or several regions, as Brain-Score publishes them."""

    @cached_property
    def version(self) -> str:
        """SHA-256 over the checksums of the source files and how they are read."""
        parts = self.declared.model_dump(mode="json", exclude={"files"})
        checksums = {file.path: file.checksum for file in self.declared.files}
        return version_of(f"brainio {FORMAT}", {**parts, "files": checksums})

    @property
    def kept(self) -> Sequence[str]:
        """Names of the imported files."""
        regional = (name for region in self.regions for name in brainio_import.files_of(region))
        return (PIXELS, STIMULI, ABOUT, *regional)

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of the recorded regions."""
        return self.declared.regions

    @property
    def facts(self) -> Facts:
        """What there is of images and responses, as the import found it; DataAbsentError."""
        regions = {name: RegionFacts(**found) for name, found in self._about["regions"].items()}
        for name, found in regions.items():
            if found.span is not None:
                regions[name] = RegionFacts(**{**vars(found), "span": tuple(found.span)})
        return Facts(regions=regions, objects=self._about["objects"])

    def stimuli(self) -> StimulusSet:
        """Return the images that were recorded, sorted by id, with the columns of csv and assembly."""
        with self.opened(STIMULI) as path, np.load(path, allow_pickle=False) as stored:
            columns = {key: stored[key] for key in stored.files}
        start, height, width = (columns.pop(key) for key in brainio_import.PLACES)
        with self.opened(PIXELS) as path:
            pixels = np.memmap(path, dtype=np.uint8, mode="r")

        def read(row: int) -> Picture:
            size = int(height[row]) * int(width[row]) * 3
            flat = pixels[int(start[row]) : int(start[row]) + size]
            return np.asarray(flat).reshape(int(height[row]), int(width[row]), 3)

        names = {key: brainio_import.name_of(key) for key in columns}
        table = pd.DataFrame({names[key]: column for key, column in columns.items()})
        return StimulusSet(
            identifier=self.name,
            metadata=table,
            read=read,
            rows=tuple(range(len(table))),
            degrees=self.declared.degrees,
        )

    def recordings(self, region: str) -> Assembly:
        """Return the trials of the sites of a region, memory-mapped; UnknownNameError for another region."""
        self.here()
        if region not in self.regions:
            raise unknown(
                f"region of {self.name}:", region, list(self.regions), todo="choose one of them"
            )
        values_file, sites_file = brainio_import.files_of(region)
        with self.opened(sites_file) as path, np.load(path, allow_pickle=False) as stored:
            coords: dict[str, Any] = {
                brainio_import.name_of(key): ("neuroid", stored[key]) for key in stored.files
            }
        stimuli = self.stimuli().metadata
        coords |= {str(key): ("stimulus", plain(stimuli[key])) for key in stimuli.columns}
        values, dims = self.array(values_file), ["repetition", "stimulus", "neuroid", "time"]
        if self._about["bins"] is not None:
            start, end = np.array(self._about["bins"], dtype=np.float64).T
            coords |= {"time_start": ("time", start), "time_end": ("time", end)}
        else:
            values, dims = values[..., 0], dims[:-1]
        if not self._about["repeated"]:
            values, dims = values[0], dims[1:]
        return xr.DataArray(values, dims=dims, coords=coords, attrs=self._about["attrs"])

    def import_from(self, given: Path) -> Path:
        """Check and convert assembly, csv and zip; see `PublishedData.import_from`."""
        paths = self._find(given)
        for file, path in paths.items():
            check_file(path, file)
        assembly_path, table_path, zip_path = (paths[self.declared.file(kind)] for kind in _KINDS)
        source = brainio_import.Files(
            assembly=assembly_path,
            table=table_path,
            images=zip_path,
            columns=self.declared.columns,
            regions=self.regions,
            region=self.declared.region,
            objects=self.declared.objects,
            whole_set=self.declared.whole_set,
            unrecorded=self.declared.unrecorded,
            least_reliability=self.declared.least_reliability,
            unused_end_ms=self.declared.unused_end_ms,
            units=self.declared.units,
        )
        with brainio_import.opened(source) as recording:
            steps, nbytes = (
                recording.n_blocks + len(recording.layout.stimulus_ids),
                recording.nbytes,
            )
            with self.importing(self.folder, steps, nbytes=nbytes) as (folder, step):
                recording.write(folder, step)
        return self.folder

    def _find(self, given: Path) -> Mapping[PublishedFile, Path]:
        found = {file: local_copy(given, self.name, file) for file in self.declared.files}
        missing = [file.path for file, path in found.items() if path is None]
        if missing:
            raise DataAbsentError(
                f"{len(missing)} of {len(found)} files of {self.name} are missing in {given}: "
                + ", ".join(missing),
                allowed="assembly, csv and zip under their published names",
                todo="give the folder that holds them with --from DIR",
            )
        return {file: path for file, path in found.items() if path is not None}

    @cached_property
    def _about(self) -> dict[str, Any]:
        with self.opened(ABOUT) as path:
            about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return about


def brainio_data(manifest: Manifest) -> BrainioData:
    """Return the data set of a manifest; InputError if its parameters or files are not as they must be."""
    listed = manifest.published_files()
    kinds = [kind for file in listed for kind in _KINDS if file.path.endswith(kind)]
    if sorted(kinds) != sorted(_KINDS) or any(file.checksum is None for file in listed):
        raise InputError(
            f"manifest of data set {manifest.name!r} with the files "
            + ", ".join(file.path for file in listed),
            allowed="an assembly .nc, a .csv and a .zip, each with its checksum",
            todo="correct the TOML file",
        )
    facts = manifest.facts
    known = {"regions": facts.regions, "units": facts.units, "degrees": facts.degrees}
    try:
        declared = Declared.model_validate({**known, "files": listed, **manifest.parameters})
    except ValidationError as error:
        raise invalid(manifest.name, error, "parameters", Declared, "parameters") from None
    return BrainioData(name=manifest.name, declared=declared, simulated=manifest.simulated)
