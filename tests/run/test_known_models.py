"""What is remembered of bundled models: found again, and only where nothing has changed."""

import subprocess
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from runs import context_of
from stored import make

from brainbench.core import user_code
from brainbench.core.model import BrainModel, check_model
from brainbench.core.user_code import runs_code_outside
from brainbench.run import known_models
from brainbench.run.identity import identity
from brainbench.run.known_models import Asked, recall, remember
from brainbench.run.loading import load_benchmark, load_model
from brainbench.storage.results import Results

ASKED = Asked(name="pixels", options={"device": "auto", "batch_size": "auto"})


@pytest.fixture(scope="module")
def pixels():
    return load_model("pixels").pinned()


@pytest.fixture
def program(cache_folder, tmp_path, monkeypatch):
    """A process in which only the program runs, whose code is one file."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "network.py").write_text("WEIGHT = 1\n")
    monkeypatch.setattr(known_models, "runs_code_outside", lambda own: False)
    monkeypatch.setattr(known_models, "_own_folders", lambda: (code,))
    known_models._surroundings.cache_clear()
    yield code
    known_models._surroundings.cache_clear()


def changed(model, **fields):
    """The same model with other fields, completed again with the members that it leaves out."""
    return check_model(replace(getattr(model, "model", model), **fields), name=model.name)


def found(asked=ASKED):
    known_models._surroundings.cache_clear()
    return recall(asked, lambda: pytest.fail("the model is made"))


def test_a_remembered_model_is_the_model_to_every_key(program, pixels):
    remember(ASKED, pixels)
    benchmark = load_benchmark("Simulated.IT-cka")
    assert identity(context_of(found(), benchmark)) == identity(context_of(pixels, benchmark))


def test_every_member_of_a_model_is_known_or_made(program, pixels):
    remember(ASKED, pixels)
    known = recall(ASKED, lambda: pixels)
    members = {name for name in vars(BrainModel) if not name.startswith("_")}
    for name in members - {"activations", "on", "probe", "pinned", "clocks", "areas"}:
        given, expected = getattr(known, name), getattr(pixels, name)
        assert list(given) == list(expected) if isinstance(given, list) else given == expected, name
    assert {region: tuple(layers) for region, layers in known.areas.items()} == dict(pixels.areas)
    assert members <= set(dir(known))


def test_clocks_survive(program):
    model = changed(load_model("pixels"), clocks=load_model("simulated_readout").clocks)
    remember(ASKED, model)
    clocks = {name: vars(clock) for name, clock in found().clocks.items()}
    declared = {name: vars(clock) for name, clock in model.clocks.items()}
    assert known_models.json.loads(known_models.json.dumps(clocks)) == known_models.json.loads(
        known_models.json.dumps(declared, default=dict)
    )


def change_code(program, monkeypatch):
    (program / "network.py").write_text("WEIGHT = 2\n")


def change_parameters(program, monkeypatch):
    (program / "brain.toml").write_text("seed = 1\n")


def change_threads(program, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")


def change_packages(program, monkeypatch):
    (program / "torch-99.dist-info").mkdir()
    monkeypatch.syspath_prepend(str(program))


def change_weights(program, monkeypatch):
    weights = program.parent / "cache" / "weights"
    weights.mkdir()
    (weights / "released.safetensors").write_bytes(b"other")


def change_process(program, monkeypatch):
    monkeypatch.setattr(known_models, "runs_code_outside", lambda own: True)


def change_nothing(program, monkeypatch):
    pass


CHANGES = (
    change_code,
    change_parameters,
    change_threads,
    change_packages,
    change_weights,
    change_process,
)


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_a_digest_follows_from_makes_it_unknown(change, program, pixels, monkeypatch):
    remember(ASKED, pixels)
    assert found() is not None
    change(program, monkeypatch)
    assert found() is None


@pytest.mark.parametrize(
    "options",
    [{"size": 32}, {"weights": "a/file.pth"}, {"net": object()}],
    ids=["another size", "a file", "an object"],
)
def test_other_options_are_another_model(options, program, pixels):
    remember(ASKED, pixels)
    asked = Asked(name="pixels", options={**ASKED.options, **options})
    assert found(asked) is None
    if options != {"size": 32}:
        remember(asked, pixels)
        assert found(asked) is None


def test_untrained_weights_that_nobody_asked_for_are_not_remembered(program, pixels):
    stood_in = changed(pixels, weights="untrained-0", notes=("no trained weights: no network",))
    remember(ASKED, stood_in)
    assert found() is None
    asked = Asked(name="pixels", options={**ASKED.options, "weights": "untrained-0"})
    remember(asked, stood_in)
    assert found(asked).weights == "untrained-0"


def test_a_damaged_entry_is_made_again(program, pixels):
    remember(ASKED, pixels)
    [path] = (program.parent / "cache" / known_models.KIND).iterdir()
    path.write_text(path.read_text().replace(pixels.digest, "0" * 64))
    assert found() is None
    remember(ASKED, pixels)
    assert found().digest == pixels.digest


def test_responses_are_those_of_the_model(program, pixels):
    remember(ASKED, pixels)
    known = recall(ASKED, lambda: pixels)
    assert known.pinned() is known
    assert known.about == pixels.about
    assert known.made is pixels


def test_models_of_others_are_not_remembered(program, pixels):
    for name in ("fake", "file.py:make", "nobody"):
        remember(Asked(name=name, options={}), pixels)
        assert found(Asked(name=name, options={})) is None


def test_code_of_the_user_is_seen(tmp_path, monkeypatch):
    assert runs_code_outside(())  # these tests
    everything = [sys.modules["sys"], sys.modules["json"], pytest]
    monkeypatch.setattr(sys, "modules", {module.__name__: module for module in everything})
    assert not runs_code_outside(())
    own = types.ModuleType("own")
    own.__file__ = str(tmp_path / "own.py")
    (tmp_path / "own.py").touch()
    sys.modules["own"] = own
    assert runs_code_outside(())
    assert not runs_code_outside((tmp_path.resolve(),))
    sys.modules["__main__"] = types.ModuleType("__main__")  # of a console
    assert runs_code_outside((tmp_path.resolve(),))


def test_a_link_in_the_standard_library_is_of_the_library(tmp_path, monkeypatch):
    library, elsewhere = tmp_path / "lib", tmp_path / "etc" / "sitecustomize.py"
    library.mkdir()
    elsewhere.parent.mkdir()
    elsewhere.touch()
    link = library / "sitecustomize.py"
    link.symlink_to(elsewhere)
    monkeypatch.setattr(user_code, "_STANDARD", (library,))
    assert not user_code._is_outside(str(link), ())
    assert user_code._is_outside(str(elsewhere), ())


@pytest.mark.slow
def test_a_stored_run_imports_neither_torch_nor_dask(
    pixels, cache_folder, results_folder, tmp_path
):
    benchmark = load_benchmark("Simulated.IT-cka")
    key = identity(context_of(pixels, benchmark))
    results = Results(results_folder)
    sites = {"neuroid_id": ("neuroid", ["a", "b"]), "ceiling": ("neuroid", [0.5, np.nan])}
    units = xr.DataArray([0.5, np.nan], dims=("neuroid",), coords=sites, attrs={"units": "r"})
    score = make("pixels", benchmark.identifier, 0.25, digest=pixels.digest, per_unit=units)
    results.save(score, key=key)
    command = ["-m", "brainbench", "score", "-m", "pixels", "-b", benchmark.identifier]
    imported = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-X", "importtime", *command, "--format", "json"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert '"value": 0.25' in done.stdout
        assert "no forward pass" in done.stderr
        imported.append({line.rpartition("|")[2].strip() for line in done.stderr.splitlines()})
    assert "torch" in imported[0]
    assert not {"torch", "dask", "sklearn", "scipy.stats", "scipy.optimize"} & imported[1]
