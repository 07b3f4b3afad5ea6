"""Data of several recording sessions, each with images and sites of its own, and a model of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from known import Known, brain

from brainbench.core import stimuli
from brainbench.data.arrays import ArrayData

SIZES = {"monday": (60, 5), "tuesday": (40, 4), "friday": (50, 7)}
"""Images and sites of each session."""


@dataclass(frozen=True, kw_only=True)
class Several:
    """Data of several sessions."""

    parts: Mapping[str, ArrayData]
    name: str = "Several"
    simulated: bool = False
    version: str = "1"
    command: str = "none"

    def absent(self):
        return None

    def sessions(self):
        return dict(self.parts)

    def stimuli(self):
        sets = [one.pictures for one in self.parts.values()]
        pictures = np.concatenate([[s.picture(k) for k in range(len(s))] for s in sets])
        return stimuli.from_arrays("several", pictures, ids=[i for s in sets for i in s.ids])

    def recordings(self, region):
        raise AssertionError("recordings are asked of each session")


def several(*, with_trials=(), names=tuple(SIZES), same_sites=False):
    """Return the data, some sessions with single trials, and the model that is linear in it with noise."""
    rng = np.random.default_rng(0)
    parts, features, ids = {}, [], []
    for name, (n, sites) in SIZES.items():
        X = rng.standard_normal((n, 6))
        signal = X @ rng.standard_normal((6, sites))
        trials = signal + 2.0 * rng.standard_normal((8, n, sites))
        mine = [f"{name}/{k:03d}" for k in range(n)]
        options = {"trials": trials} if name in with_trials else {}
        one = brain(trials.mean(axis=0), ids=mine, objects=False, **options)
        named = [f"{'site' if same_sites else name}/{k}" for k in range(sites)]
        recorded = one.regions["IT"].assign_coords(neuroid_id=("neuroid", named))
        parts[name] = replace(one, name=name, regions={"IT": recorded})
        features.append(X)
        ids += mine
    model = Known(
        responses={"IT": np.concatenate(features)[:, :, None]}, ids=ids, areas={"IT": ["IT"]}
    )
    return Several(parts={name: parts[name] for name in names}), model
