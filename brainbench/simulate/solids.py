"""Solids as signed distance functions, and rays that find their surfaces by sphere tracing.

A distance function takes points (3, point) in the frame of the solid, whose radius is 1 and whose axis is y,
and returns the distance to its surface, negative inside (Hart 1996, The Visual Computer 12:527).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[np.float64]
Distance: TypeAlias = Callable[[Array], Array]

HIT = 2e-3  # distance in radii at which a ray has reached a surface
_TRACE_STEPS = 48


def trace(distance: Distance, start: Array, direction: Array) -> tuple[Array, Array]:
    """Advance rays (3, ray) in a direction; return their points closest to the solid and the distances."""
    closest = start.copy()
    nearest = np.full(start.shape[1], np.inf)
    going = np.arange(start.shape[1])
    points = start
    travelled = np.zeros(len(going))
    for _ in range(_TRACE_STEPS):
        gap = distance(points)
        closer = gap < nearest[going]
        index = going[closer]
        nearest[index] = gap[closer]
        closest[:, index] = points[:, closer]
        travelled = travelled + gap
        on = (gap > HIT) & (travelled < 2.2)
        if not on.any():
            break
        going, travelled = going[on], travelled[on]
        points = points[:, on] + gap[on] * direction[:, None]
    return closest, nearest


def normals(distance: Distance, points: Array) -> Array:
    """Return unit normals (3, point), the gradients of the distance from four probes on a tetrahedron."""
    probes = np.array([[1.0, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
    gradient = np.zeros_like(points)
    for probe in probes:
        gradient += probe[:, None] * distance(points + 1e-3 * probe[:, None])
    norm: Array = np.sqrt((gradient**2).sum(axis=0))
    return gradient / np.maximum(norm, 1e-12)


def _length(*parts: Array) -> Array:
    return np.asarray(np.sqrt(sum(part * part for part in parts)))


def _box(points: Array, half: tuple[float, float, float]) -> Array:
    x, y, z = (np.abs(points[axis]) - half[axis] for axis in range(3))
    outside = _length(np.maximum(x, 0.0), np.maximum(y, 0.0), np.maximum(z, 0.0))
    return np.asarray(outside + np.minimum(np.maximum(x, np.maximum(y, z)), 0.0))


def _cone(points: Array) -> Array:
    # Apex (0, .9), base radius .72 at y = -.66: the larger distance to the two surfaces is a lower bound
    # of the distance, which is sufficient for tracing.
    x, y, z = points
    side = (1.56 * _length(x, z) + 0.72 * (y - 0.9)) / np.hypot(1.56, 0.72)
    return np.asarray(np.maximum(side, -y - 0.66))


def _cross(points: Array) -> Array:
    arm, thick = 0.88, 0.24
    return np.minimum(
        np.minimum(_box(points, (arm, thick, thick)), _box(points, (thick, arm, thick))),
        _box(points, (thick, thick, arm)),
    )


def _cube(points: Array) -> Array:
    return _box(points, (0.54, 0.54, 0.54)) - 0.03


def _cylinder(points: Array) -> Array:
    x, y, z = points
    round_, flat = _length(x, z) - 0.5, np.abs(y) - 0.74
    outside = _length(np.maximum(round_, 0.0), np.maximum(flat, 0.0))
    return np.asarray(outside + np.minimum(np.maximum(round_, flat), 0.0)) - 0.03


def _dumbbell(points: Array) -> Array:
    x, y, z = points
    balls = _length(x, np.abs(y) - 0.58, z) - 0.4
    bar = np.maximum(_length(x, z) - 0.15, np.abs(y) - 0.58)
    return np.asarray(np.minimum(balls, bar))


def _pyramid(points: Array) -> Array:
    x, y, z = points
    side = (1.3 * np.maximum(np.abs(x), np.abs(z)) + 0.6 * (y - 0.8)) / np.hypot(1.3, 0.6)
    return np.asarray(np.maximum(side, -y - 0.5))


def _sphere(points: Array) -> Array:
    return _length(*points) - 0.78


def _torus(points: Array) -> Array:
    x, y, z = points
    return _length(_length(x, z) - 0.66, y) - 0.26


DISTANCES: dict[str, Distance] = {
    "cone": _cone,
    "cross": _cross,
    "cube": _cube,
    "cylinder": _cylinder,
    "dumbbell": _dumbbell,
    "pyramid": _pyramid,
    "sphere": _sphere,
    "torus": _torus,
}
