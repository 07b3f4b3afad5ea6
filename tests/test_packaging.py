import importlib
import pkgutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import brainbench
import brainbench_benchmarks
import brainbench_manifests
import brainbench_models
from brainbench.core import registry
from brainbench.core.benchmark import Benchmark
from brainbench.run.selftest import Check
from brainbench.stats.composite import Composite

PACKAGES = {
    "models": (brainbench_models, brainbench_models.models),
    "families": (brainbench_models, brainbench_models.families),
    "benchmarks": (brainbench_benchmarks, brainbench_benchmarks.benchmarks),
    "data": (brainbench_manifests, brainbench_manifests.data),
    "composites": (brainbench_benchmarks, brainbench_benchmarks.composites),
    "checks": (brainbench_benchmarks, brainbench_benchmarks.checks),
}
LISTED = [(group, name) for group, (_, listing) in PACKAGES.items() for name in listing()]


def test_the_installed_version_is_the_one_that_the_package_says():
    assert metadata.version("brainbench") == brainbench.__version__


@pytest.mark.parametrize(("group", "name"), LISTED)
def test_everything_listed_is_there(group, name):
    found = registry.load(group, name)
    if group == "benchmarks":
        assert isinstance(found, Benchmark)
        assert found.identifier == name
    elif group == "data":
        assert found["name"] == name
    elif group == "composites":
        assert isinstance(found, Composite)
        assert found.name == name
    elif group == "checks":
        assert all(isinstance(one, Check) for one in found)
    else:
        assert callable(found)


@pytest.mark.parametrize("package", [brainbench_models, brainbench_benchmarks])
def test_every_module_of_the_folder_is_listed(package):
    listings = [listing for home, listing in PACKAGES.values() if home is package]
    entries = [entry for listing in listings for entry in listing().values()]
    targets = [entry if isinstance(entry, str) else entry[0] for entry in entries]
    listed = {target.partition(":")[0] for target in targets}
    # A family that is a folder of its own is listed by one of its modules.
    folders = {module.rpartition(".")[0] for module in listed} - {package.__name__}
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        private = any(part.startswith("_") for part in module.name.split("."))
        within = module.ispkg or module.name.rpartition(".")[0] in folders
        assert private or within or module.name in listed, f"{module.name} is not listed"


def test_every_manifest_of_the_folder_is_listed():
    folder = Path(brainbench_manifests.__file__).parent
    listed = {target.partition(":")[2] for target in brainbench_manifests.data().values()}
    assert {path.stem for path in folder.glob("*.toml")} == listed


@pytest.mark.parametrize("group", PACKAGES)
def test_the_package_of_a_group_is_what_its_entry_point_names(group):
    _, listing = PACKAGES[group]
    points = metadata.entry_points(group=f"brainbench.{group}")
    assert listing in [point.load() for point in points]


def test_every_public_name_is_there():
    for name in brainbench.__all__:
        assert getattr(brainbench, name) is not None
    assert set(brainbench.__all__) <= set(dir(brainbench))


def test_an_unknown_public_name():
    with pytest.raises(AttributeError, match="module 'brainbench' has no attribute 'scroe'"):
        brainbench.scroe  # noqa: B018  # the access is the test


@pytest.mark.parametrize("package", ["brainbench", *(p.__name__ for p, _ in PACKAGES.values())])
def test_types_are_promised(package):
    module = importlib.import_module(package)
    assert (Path(module.__file__).parent / "py.typed").is_file()


HEAVY = {"torch", "numpy", "scipy", "sklearn", "pandas", "xarray", "PIL", "netCDF4", "pydantic"}


@pytest.mark.parametrize(
    "code",
    [
        "import brainbench",
        "import brainbench.core.registry as r; [r.entries(g) for g in ('models', 'benchmarks', 'data')]",
        "import brainbench.cli.main",
    ],
)
def test_light_imports_are_light(code):
    """`brainbench --help` must not wait for torch."""
    listing = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True, timeout=60
    )
    assert HEAVY & set(done.stdout.split()) == set()
