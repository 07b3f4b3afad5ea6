"""Fits that several tests look at."""

import fitted
import pytest

from brainbench.training import fit as fits
from brainbench_models.recurrent_v1.fitter import FITTER


@pytest.fixture(scope="session")
def one_fit(tmp_path_factory):
    """A fit to images without groups: data, where it is, what it is."""
    given = fitted.data()
    folder = tmp_path_factory.mktemp("fits")
    with pytest.MonkeyPatch.context() as patch:
        fitted.short_schedule(patch, steps=80)
        done = fits.fit(FITTER, fitted.context(given), fitted.config(), folder=folder)
    return given, done


@pytest.fixture
def short(monkeypatch):
    """The schedule `quick` with 20 steps in all."""
    fitted.short_schedule(monkeypatch)
