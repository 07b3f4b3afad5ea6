"""Scenes of shaded solids on textured backgrounds, drawn from a seed.

A scene is one of eight kinds of solids in front of a textured wall, without perspective, with random
position, size, pose, lighting, color and texture. Its parameters depend only on (seed, object, image number),
so that a larger set contains the smaller one unchanged.

Solids are rendered by sphere tracing of their signed distance functions: a ray advances by the distance to
the nearest surface, which never oversteps, until that distance vanishes (Hart 1996, The Visual Computer
12:527). Shading is Lambertian with a Blinn-Phong highlight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from brainbench.core.errors import InputError
from brainbench.simulate.solids import DISTANCES, HIT, normals, trace

Array = npt.NDArray[np.float64]
Images = npt.NDArray[np.uint8]

OBJECT_NAMES = ("cone", "cross", "cube", "cylinder", "dumbbell", "pyramid", "sphere", "torus")
BACKGROUNDS = ("cloud", "weave", "leaves")
IMAGE_SIZE = 224
IMAGES_PER_OBJECT = 40

_WAVES = 6


@dataclass(frozen=True)
class Scene:
    """Parameters of one image.

    Lengths are fractions of the side of the image, angles degrees, colors linear RGB in [0, 1].
    """

    seed: int
    object_name: str
    image_number: int
    position_x: float
    position_y: float
    size: float
    yaw: float
    pitch: float
    roll: float
    light_azimuth: float
    light_elevation: float
    ambient: float
    gloss: float
    texture_contrast: float
    background: str
    background_contrast: float
    object_color: tuple[float, float, float]
    background_color: tuple[float, float, float]

    @property
    def stimulus_id(self) -> str:
        """Name of the image, such as ``sim0-cube-003``."""
        return f"sim{self.seed}-{self.object_name}-{self.image_number:03d}"

    def metadata(self) -> dict[str, str | int | float]:
        """Return the stimulus metadata: all parameters except the seed and the colors."""
        omitted = {"seed", "object_color", "background_color"}
        return {"stimulus_id": self.stimulus_id} | {
            name: value for name, value in asdict(self).items() if name not in omitted
        }


def draw_scene(*, seed: int, object_name: str, image_number: int) -> Scene:
    """Draw the parameters of image `image_number`, from 0, of an object; InputError for an unknown object."""
    rng = _generator(seed, object_name, image_number, purpose=0)
    return Scene(
        seed=seed,
        object_name=object_name,
        image_number=image_number,
        position_x=rng.uniform(-0.14, 0.14),
        position_y=rng.uniform(-0.14, 0.14),
        size=round(float(np.exp(rng.uniform(np.log(0.24), np.log(0.38)))), 6),  # same everywhere
        yaw=rng.uniform(0.0, 360.0),
        pitch=rng.uniform(10.0, 50.0),
        roll=rng.uniform(-30.0, 30.0),
        light_azimuth=rng.uniform(0.0, 360.0),
        light_elevation=rng.uniform(25.0, 60.0),
        ambient=rng.uniform(0.15, 0.35),
        gloss=rng.uniform(0.0, 0.5),
        texture_contrast=rng.uniform(0.07, 0.25),
        background=str(rng.choice(BACKGROUNDS)),
        background_contrast=rng.uniform(0.15, 0.42),
        object_color=_draw_color(rng, low=0.45, high=0.95),
        background_color=_draw_color(rng, low=0.2, high=0.6),
    )


def draw_scenes(
    *,
    seed: int = 0,
    images_per_object: int = IMAGES_PER_OBJECT,
    object_names: Sequence[str] = OBJECT_NAMES,
) -> list[Scene]:
    """Draw the parameters of `images_per_object` scenes of each object, object by object.

    InputError for no images or an unknown object.

    Examples
    --------
    >>> [scene.stimulus_id for scene in draw_scenes(images_per_object=1)][:2]
    ['sim0-cone-000', 'sim0-cross-000']
    """
    if images_per_object < 1:
        raise InputError(
            f"images_per_object={images_per_object}",
            allowed="1 or more",
            todo="choose at least one image of each object",
        )
    return [
        draw_scene(seed=seed, object_name=name, image_number=number)
        for name in object_names
        for number in range(images_per_object)
    ]


def render(scenes: Sequence[Scene], *, size: int = IMAGE_SIZE, workers: int = 2) -> Images:
    """Render scenes with some threads as uint8, (scene, size, size, 3), sRGB, row 0 at the top."""
    images = np.empty((len(scenes), size, size, 3), dtype=np.uint8)
    for index, image in enumerate(stream(scenes, size=size, workers=workers)):
        images[index] = image
    return images


def stream(
    scenes: Sequence[Scene], *, size: int = IMAGE_SIZE, workers: int = 2
) -> Iterator[Images]:
    """Yield rendered scenes in order, with a few of them in memory at a time."""
    waiting = iter(scenes)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        while batch := list(islice(waiting, 8 * max(1, workers))):
            yield from pool.map(lambda scene: render_scene(scene, size=size), batch)


def render_scene(scene: Scene, *, size: int = IMAGE_SIZE) -> Images:
    """Render one scene as uint8, (size, size, 3), sRGB, row 0 at the top."""
    rng = _generator(scene.seed, scene.object_name, scene.image_number, purpose=1)
    picture = _background(scene, size, rng)
    solid, coverage = _solid(scene, size, rng)
    rows, columns, colors = solid
    blend = coverage[:, None]
    picture[rows, columns] = blend * colors + (1.0 - blend) * picture[rows, columns]
    return np.rint(255.0 * _srgb(np.clip(picture, 0.0, 1.0))).astype(np.uint8)


def _solid(
    scene: Scene, size: int, rng: np.random.Generator
) -> tuple[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Array], Array]:
    """Return the pixels of the solid, (row, column, color (pixel, 3)), and their coverage in [0, 1]."""
    distance = DISTANCES[scene.object_name]
    rows, columns, across, up = _pixels_near(scene, size)
    rotation = _rotation(scene)
    toward_eye = rotation[2]
    start = across[:, None] * rotation[0] + up[:, None] * rotation[1] + 1.05 * toward_eye
    points, nearest = trace(distance, start.T.copy(), -toward_eye)
    # A ray within one pixel of the silhouette is covered in part: soft edges without more rays.
    pixel = 1.0 / (scene.size * size)
    coverage = np.clip(1.0 - (nearest - HIT) / pixel, 0.0, 1.0)
    is_covered = coverage > 0.0
    points = points[:, is_covered]
    albedo = np.asarray(scene.object_color) * _texture(points, scene, rng)[:, None]
    colors = _shade(albedo, normals(distance, points), rotation, scene)
    return (rows[is_covered], columns[is_covered], colors), coverage[is_covered]


def _pixels_near(
    scene: Scene, size: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Array, Array]:
    """Return the pixels in the circle around the solid, and their offsets in radii from its center."""
    places = (np.arange(size) + 0.5) / size - 0.5
    across = (places - scene.position_x) / scene.size
    up = (-places - scene.position_y) / scene.size
    inside = across[None, :] ** 2 + up[:, None] ** 2 < 1.1
    rows, columns = np.nonzero(inside)
    return rows, columns, across[columns], up[rows]


def _shade(albedo: Array, normals: Array, rotation: Array, scene: Scene) -> Array:
    """Return the colors (point, 3) of Lambertian shading with a Blinn-Phong highlight."""
    azimuth, elevation = np.deg2rad([scene.light_azimuth, scene.light_elevation])
    flat = np.cos(elevation)
    light = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation)])
    half = light + np.array([0.0, 0.0, 1.0])
    half /= np.sqrt((half**2).sum())
    lit = np.maximum((light @ rotation) @ normals, 0.0)
    highlight = np.maximum((half @ rotation) @ normals, 0.0) ** 32
    diffuse = scene.ambient + (1.0 - scene.ambient) * lit
    shine = scene.gloss * highlight * (lit > 0.0)
    return np.asarray(albedo * diffuse[:, None] + shine[:, None])


def _rotation(scene: Scene) -> Array:
    """Return the axes of the image (right, up, toward the eye) as rows, in the frame of the object."""
    yaw, pitch, roll = np.deg2rad([scene.yaw, scene.pitch, scene.roll])
    turn = np.array(
        [[np.cos(yaw), 0.0, np.sin(yaw)], [0.0, 1.0, 0.0], [-np.sin(yaw), 0.0, np.cos(yaw)]]
    )
    tip = np.array(
        [
            [1.0, 0.0, 0.0],
            [0.0, np.cos(pitch), -np.sin(pitch)],
            [0.0, np.sin(pitch), np.cos(pitch)],
        ]
    )
    spin = np.array(
        [[np.cos(roll), -np.sin(roll), 0.0], [np.sin(roll), np.cos(roll), 0.0], [0.0, 0.0, 1.0]]
    )
    return np.asarray(spin @ tip @ turn)


def _texture(points: Array, scene: Scene, rng: np.random.Generator) -> Array:
    """Return the pattern of the surface: a few waves in the frame of the object, mean 1."""
    vectors = rng.normal(size=(_WAVES, 3)) * 5.0
    phases = rng.uniform(0.0, 2.0 * np.pi, size=_WAVES)
    waves = np.zeros(points.shape[1])
    for vector, phase in zip(vectors, phases, strict=True):
        waves += np.sin(vector @ points + phase)
    return 1.0 + scene.texture_contrast * np.tanh(waves)


def _background(scene: Scene, size: int, rng: np.random.Generator) -> Array:
    pattern = {"cloud": _cloud, "weave": _weave, "leaves": _leaves}[scene.background](size, rng)
    pattern = (pattern - pattern.mean()) / max(float(pattern.std()), 1e-9)
    tint = rng.uniform(0.85, 1.15, size=3)
    wave = scene.background_contrast * np.tanh(0.8 * pattern)
    base = np.asarray(scene.background_color)
    return np.asarray(base * (1.0 + wave[:, :, None] * tint))


def _cloud(size: int, rng: np.random.Generator, *, slope: float = 1.3) -> Array:
    """Return noise with amplitude 1/f**slope."""
    down, across = np.fft.fftfreq(size), np.fft.rfftfreq(size)
    frequency = np.hypot(down[:, None], across[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((size, size))) * frequency**-slope
    return np.fft.irfft2(spectrum, s=(size, size))


def _weave(size: int, rng: np.random.Generator) -> Array:
    """Return two gratings bent by a smooth displacement."""
    bend = _cloud(size, rng, slope=2.2)
    bend *= rng.uniform(0.2, 1.0) / bend.std()
    places = np.arange(size) / size
    total = np.zeros((size, size))
    for weight in (1.0, rng.uniform(0.0, 1.0)):
        angle, cycles = rng.uniform(0.0, np.pi), np.exp(rng.uniform(np.log(5.0), np.log(16.0)))
        along = np.cos(angle) * places[None, :] + np.sin(angle) * places[:, None]
        total += weight * np.sin(2.0 * np.pi * cycles * along + bend + rng.uniform(0.0, 6.28))
    return total


def _leaves(size: int, rng: np.random.Generator) -> Array:
    """Return overlapping discs and rectangles of random size and gray (dead leaves)."""
    pattern = np.full((size, size), 0.0)
    places = (np.arange(size) + 0.5) / size
    for _ in range(90):
        x, y = rng.uniform(0.0, 1.0, size=2)
        wide, high = np.exp(rng.uniform(np.log(0.03), np.log(0.2), size=2))
        gray, disc = rng.normal(), rng.random() < 0.5
        left, right = np.searchsorted(places, [x - wide, x + wide])
        top, bottom = np.searchsorted(places, [y - high, y + high])
        patch = pattern[top:bottom, left:right]
        if disc:
            inside = ((places[top:bottom, None] - y) / high) ** 2 + (
                (places[None, left:right] - x) / wide
            ) ** 2 < 1.0
            patch[inside] = gray
        else:
            patch[:] = gray
    return pattern


def _draw_color(rng: np.random.Generator, *, low: float, high: float) -> tuple[float, float, float]:
    """Draw a muted color of random hue whose largest component is in [low, high]."""
    hue = rng.uniform(0.0, 2.0 * np.pi)
    wheel = 1.0 + np.cos(hue - np.array([0.0, 2.0, 4.0]) * np.pi / 3.0)
    muted = 1.0 - rng.uniform(0.1, 0.6) * (1.0 - wheel / 2.0)
    red, green, blue = (rng.uniform(low, high) * muted / muted.max()).tolist()
    return red, green, blue


def _srgb(linear: Array) -> Array:
    """Apply the gamma of displays, approximated by the power 1/2.2."""
    return np.asarray(linear ** (1.0 / 2.2))


def _generator(
    seed: int, object_name: str, image_number: int, *, purpose: int
) -> np.random.Generator:
    if object_name not in OBJECT_NAMES:
        raise InputError(
            f"object {object_name!r}",
            allowed=", ".join(OBJECT_NAMES),
            todo="choose one of these solids",
        )
    entropy = [seed, OBJECT_NAMES.index(object_name), image_number, purpose]
    return np.random.default_rng(np.random.SeedSequence(entropy))
