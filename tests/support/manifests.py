"""Manifests of small data sets, for tests of their loaders."""

from brainbench.data.manifest import Manifest


def manifest_of(parameters, *, name="Small"):
    return Manifest(name=name, title="", loader="", license="", citation="", parameters=parameters)
