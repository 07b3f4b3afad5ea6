"""Import of Henaff2021, on small files laid out as the published ones."""

import io

import h5py
import numpy as np
import pytest
from declared import opened, png, table_of, write

from brainbench.core.dataset import Dataset, HasCurvatureEstimates, Importable
from brainbench.core.errors import BrainbenchError, DataAbsentError, UnknownNameError
from brainbench.data.facts import facts_of
from brainbench.data.offers import offers

FILMS, FRAMES, PIXELS, CONTRAST = 2, 4, 5, (2,)
LOADER = "brainbench.data.importers.henaff:henaff"
SIZES = {
    "films": FILMS,
    "frames": FRAMES,
    "pixels": PIXELS,
    "contrast": list(CONTRAST),
    "responses": "V1",
    "images": "shown",
    "estimates": "curvature/all of it.csv",
}
N = 2 * FILMS * (FRAMES + FRAMES - 2) + FRAMES - 1


@pytest.fixture(autouse=True)
def _kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAINBENCH_DATA", str(tmp_path / "kept"))


def responses(seed, repetitions, units):
    """Repetition x unit x frame x film x category x scale; shared frames are copies."""
    rng = np.random.default_rng(seed)
    values = rng.poisson(4.0, (repetitions, units, FRAMES, FILMS, 3, 2)).astype(float)
    values[-1, 0] = np.nan  # the first unit was lost in the last repetition
    values[:, :, [0, -1], :, 1] = values[:, :, [0, -1], :, 0]
    values[..., 2, :] = np.nan
    for film in CONTRAST:
        values[:, :, :, film - 1, 2, 0] = rng.poisson(4.0, (repetitions, units, FRAMES))
        values[:, :, -1, film - 1, 2, 0] = values[:, :, -1, film - 1, 0, 0]
    return values


RESPONSES = {"ay2_u003": responses(0, 5, 3), "ay4_u006": responses(1, 3, 2)}


def matlab(values, session):
    stream = io.BytesIO()
    animal, penetration = session.split("_")
    with h5py.File(stream, "w") as file:
        struct = file.create_group("naturalStruct")
        struct["sortedResponses"] = values
        for key, text in (("monkey_ID", animal), ("penetration_ID", penetration)):
            struct[key] = np.array([[ord(letter)] for letter in text], dtype=np.uint16)
    return stream.getvalue()


def estimates():
    head = "Index,Delta Curvature: neural,Dataset,Pixel curvature,sequence type,dither"
    lines = [
        f"{2 * FILMS * p + k + 1},{k - 5},{session}_image_sequences,{10 * k + kind},{kind},1"
        for kind in (1, 2)
        for p, session in enumerate(RESPONSES)
        for k in range(2 * FILMS)
    ]
    return "\n".join([head, *lines]).encode()


def shade(scale, film, category, frame):
    return 50 * scale + 20 * film + 8 * category + frame


def contents():
    files = {
        f"V1/{session}_image_sequences.mat": matlab(values, session)
        for session, values in RESPONSES.items()
    }
    files["curvature/all of it.csv"] = estimates()
    for s, scale in enumerate(("zoom1x", "zoom2x")):
        for film in (1, 2):
            for c, category in enumerate(("natural", "synthetic", "contrast")):
                for frame in range(1, FRAMES + 1):
                    pixels = np.full((PIXELS, PIXELS), shade(s, film, c, frame), np.uint8)
                    path = f"shown/stimSelected-{scale}/movie{film}/{category}{frame:02d}.png"
                    files[path] = png(pixels)
    return files


def declare(files, **changes):
    return opened(table_of(files, loader=LOADER, **{**SIZES, **changes}))


@pytest.fixture
def data(tmp_path):
    files = contents()
    found = declare(files)
    with pytest.raises(DataAbsentError, match="brainbench data fetch Study"):
        found.recordings("V1")
    found.import_from(write(tmp_path / "copy", files))
    return found


def test_which_picture_belongs_to_which_response(data):
    for protocol in (Dataset, HasCurvatureEstimates, Importable):
        assert isinstance(data, protocol)
    shown, recorded = data.stimuli(), data.recordings("V1")
    assert len(shown) == N
    assert shown.ids[:2] == ("zoom1x-film01-natural01", "zoom1x-film01-natural02")
    assert list(recorded["stimulus_id"].values) == list(shown.ids)
    assert dict(recorded.sizes) == {"repetition": 5, "stimulus": N, "neuroid": 5}
    categories, scales = ("natural", "synthetic", "contrast"), ("zoom1x", "zoom2x")
    for row, one in shown.metadata.iterrows():
        film, category = int(one.film.removeprefix("film")), categories.index(one.category)
        scale = scales.index(one.scale)
        assert (shown.picture(row) == shade(scale, film, category, one.frame)).all()
        place = (one.frame - 1, film - 1, category, scale)
        np.testing.assert_array_equal(
            recorded.values[:, row, :3], RESPONSES["ay2_u003"][:, :, *place]
        )
        np.testing.assert_array_equal(
            recorded.values[:3, row, 3:], RESPONSES["ay4_u006"][:, :, *place]
        )
    assert np.isnan(recorded.values[3:, :, 3:]).all()
    assert recorded["session"].values.tolist() == ["ay2_u003"] * 3 + ["ay4_u006"] * 2
    assert recorded["animal"].values.tolist() == ["ay2"] * 3 + ["ay4"] * 2
    assert (shown.metadata["group"] == shown.metadata["film"]).all()


def test_no_two_rows_are_copies(data):
    """Synthetic ends and the last contrast repeat natural frames, and are left out."""
    named = set(data.stimuli().ids)
    for absent in ("synthetic01", f"synthetic{FRAMES:02d}"):
        assert f"zoom1x-film01-{absent}" not in named
    assert {name for name in named if "contrast" in name} == {
        f"zoom1x-film02-contrast{frame:02d}" for frame in (1, 2, 3)
    }


def test_what_it_offers(data):
    facts = facts_of(data)
    region = facts.regions["V1"]
    assert (region.sites, region.trials, region.least_trials) == (5, 5, 2)
    offered = {one.identifier for one in offers("Study", facts) if not one.missing}
    assert {"Study.V1-pls", "Study.V1-ridge", "Study.V1-ccnorm2", "Study.V1-rsa"} <= offered
    with pytest.raises(UnknownNameError, match="V4"):
        data.recordings("V4")


def test_published_curvatures(data):
    table = data.curvature_estimates()
    assert len(table) == 2 * 2 * 2 * FILMS
    second = table[(table.population == "ay4_u006") & (table.category == "synthetic")]
    assert second.scale.tolist() == ["zoom1x", "zoom1x", "zoom2x", "zoom2x"]
    assert second.film.tolist() == ["film01", "film02"] * 2
    assert second.pixels.tolist() == [2, 12, 22, 32]
    assert second.change.tolist() == [-5, -4, -3, -2]


FIRST = "V1/ay2_u003_image_sequences.mat"


def with_responses(change):
    values = RESPONSES["ay2_u003"].copy()
    return {**contents(), FIRST: matlab(change(values), "ay2_u003")}


def not_copied(values):
    values[:, :, 0, 0, 1, 0] += 1
    return values


def not_copied_at_last_contrast(values):
    values[:, :, -1, 1, 2, 0] += 1
    return values


def never_shown(values):
    values[:, 1, 1, 1, 0, 1] = np.nan
    return values


FRAME = "shown/stimSelected-zoom2x/movie1/natural03.png"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (with_responses(not_copied), "frames that films share have different responses"),
        (with_responses(not_copied_at_last_contrast), "frames that films share"),
        (with_responses(never_shown), "without a trial"),
        (with_responses(lambda values: values + 0.25), "no counts"),
        (with_responses(lambda values: values[..., :1]), r"shape \(5, 3, 4, 2, 3, 1\)"),
        ({**contents(), FIRST: b"nothing"}, "ay2_u003_image_sequences.mat"),
        ({**contents(), FRAME: png(np.zeros((4, 4), np.uint8))}, r"natural03.png of shape \(4, 4"),
        (
            {**contents(), FRAME: png(np.eye(15, dtype=np.uint8).reshape(5, 5, 9)[..., :3])},
            "natural03",
        ),
        ({**contents(), "curvature/all of it.csv": b"Index\n1\n"}, "all of it.csv"),
        (
            {**contents(), "curvature/all of it.csv": b"\n".join(estimates().splitlines()[:-1])},
            r"\[3, 4\] rows",
        ),
    ],
)
def test_files_that_hold_something_else(tmp_path, files, said):
    data = declare(files)
    with pytest.raises(BrainbenchError, match=said):
        data.import_from(write(tmp_path / "copy", files))
    assert data.absent()


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (FRAME, "natural03.png is declared"),
        ("curvature/all of it.csv", "all of it.csv is declared"),
        ("V1/", "no population in V1"),
    ],
)
def test_files_that_are_not_declared(tmp_path, gone, said):
    files = {path: content for path, content in contents().items() if not path.startswith(gone)}
    with pytest.raises(BrainbenchError, match=said):
        declare(files).import_from(write(tmp_path / "copy", files))


def test_missing_files_are_named(tmp_path):
    files = contents()
    folder = write(tmp_path / "copy", files)
    (folder / FRAME).unlink()
    # Another film has a file of the same name: it is not taken for it.
    with pytest.raises(BrainbenchError, match="natural03"):
        declare(files).import_from(folder)
