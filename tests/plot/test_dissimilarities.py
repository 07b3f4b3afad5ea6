"""Dissimilarities of brain and model in one square."""

import drawn
import numpy as np
import pytest
import stored
import xarray as xr
from scipy.stats import rankdata

from brainbench.core import provenance
from brainbench.core.errors import InputError
from brainbench.plot import rdm
from brainbench.plot.dissimilarities import pair_of_rdms, percentiles


def test_responses_in_the_order_of_their_ids_each_image_once():
    score = drawn.responses()
    brain, model = pair_of_rdms(score)
    values = score.predictions["target"].values
    by_id = values[[4, 3, 2, 1, 0]]  # a, b, c, d, e; both rows of "a" are alike
    expected = 1 - np.corrcoef(by_id)
    assert brain == pytest.approx(expected)
    assert model == pytest.approx(1 - np.corrcoef(by_id[:, ::-1]))


def test_percentiles_of_pairs():
    square = np.array([[0.0, 0.1, 0.5], [0.1, 0.0, 0.3], [0.5, 0.3, 0.0]])
    assert percentiles(square).tolist() == [[0, 0, 100], [0, 0, 50], [100, 50, 0]]


def test_the_brain_is_above_the_diagonal():
    score = drawn.responses()
    axes = rdm([score])
    shown = np.asarray(np.ma.filled(axes.images[0].get_array(), np.nan))
    brain, model = pair_of_rdms(score)
    above, below = np.triu_indices(5, 1), np.tril_indices(5, -1)
    assert np.array_equal(rankdata(shown[above]), rankdata(brain[above]))
    assert np.array_equal(rankdata(shown[below]), rankdata(model[below]))
    assert np.isnan(np.diag(shown)).all()


def test_stored_dissimilarities_of_rsa(tmp_path):
    squares = {"predicted": [[0.0, 0.2], [0.2, 0.0]], "target": [[0.0, 0.7], [0.7, 0.0]]}
    predictions = xr.Dataset(
        {name: (("sample", "other"), np.array(square)) for name, square in squares.items()},
        coords={"fold": ("sample", [0, 0]), "stimulus_id": ("sample", ["a", "b"])},
    )
    record = provenance.record(seeds={}, hashes={}, choices={"similarity": "rsa"})
    given = stored.make("pixels", "Simulated.IT-rsa", 0.1, predictions=predictions)
    results = stored.fill(tmp_path, [given.__class__(**{**vars(given), "record": record})])
    (score,) = results.all()
    brain, model = pair_of_rdms(score)
    assert (brain[0, 1], model[0, 1]) == (0.7, 0.2)


def test_scores_without_responses():
    with pytest.raises(InputError, match="'rdm'") as caught:
        rdm([drawn.behavior()])
    assert "choices" in caught.value.todo
