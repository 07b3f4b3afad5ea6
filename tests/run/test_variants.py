"""Benchmarks through another map: names, stored scores, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from known import benchmark, brain, model_of
from recorded_notes import RecordedNotes
from sklearn.linear_model import LogisticRegression, Ridge

import brainbench
from brainbench.core import progress
from brainbench.core.errors import InputError, UnknownNameError
from brainbench.core.settings import Settings, Variant
from brainbench.run.loading import load_benchmark
from brainbench.run.resolve import Job
from brainbench.run.variants import named_metric, named_variant, with_metric
from brainbench.scoring.regression.unique_variance_evaluation import PARTS
from brainbench.scoring.similarity.measure import Similarity

FILE = """
from sklearn.linear_model import Ridge

class Mean:
    def fit(self, X, Y):
        self.W = X.T @ Y
        return self

    def predict(self, X):
        return {factor} * X @ self.W + X[:, :1] ** 2

def make(alpha=2.0):
    return Ridge(alpha)

def needs(alpha):
    return Ridge(alpha)

ready = Ridge(3.0)
number = 3
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_map.py"
    path.write_text(FILE.format(factor=1))
    return path


@pytest.fixture
def declared():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 5))
    data = brain(X @ rng.standard_normal((5, 4)) + rng.standard_normal((40, 4)))
    return benchmark(data), model_of(data, X)


def test_a_variant_is_named_after_its_map(declared):
    one, _ = declared
    (named,) = with_metric([one], "ridge-cv")
    assert (named.identifier, named.measure.metric) == ("Known.IT-pls+ridge-cv", "ridge-cv")
    assert with_metric([one], "pls") == [one]
    (own,) = with_metric([one], Ridge())
    digest = own.measure.config()["metric"]["digest"]
    assert own.identifier == f"Known.IT-pls+Ridge-{digest[:8]}"
    assert "Ridge" in own.metric
    assert with_metric([own], Ridge()) == [own]


def test_the_name_of_a_variant_names_it():
    (variant,) = named_variant("Simulated.IT-pls+one-to-one")
    assert variant.measure == replace(
        load_benchmark("Simulated.IT-pls").measure, metric="one-to-one"
    )
    job = Job.of("pixels", "Simulated.V1-pls, Simulated.V?-pls+ridge", Settings())
    names = [one.identifier for one in job.benchmarks]
    assert names == ["Simulated.V1-pls", *(f"Simulated.V{k}-pls+ridge" for k in (1, 2, 4))]
    for suffix in ("Ridge-e29085d0", "beyond-pixels"):
        with pytest.raises(UnknownNameError, match=suffix) as caught:
            named_variant(f"Simulated.IT-pls+{suffix}")
        assert "--beyond" in caught.value.todo


def test_estimators_of_a_file(file):
    assert named_metric("ridge-cv") == "ridge-cv"
    assert type(named_metric(f"{file}:Mean")).__name__ == "Mean"
    assert named_metric(f"{file}:make").alpha == 2.0
    assert named_metric(f"{file}:ready").alpha == 3.0


def test_changed_code_is_another_score(file, declared, tmp_path):
    one, model = declared
    asked = {"metric": f"{file}:Mean", "results": tmp_path / "kept"}
    first = brainbench.score(model, one, **asked)
    again = brainbench.score(model, one, **asked)
    assert (again.file, again.record.created) == (first.file, first.record.created)
    file.write_text(FILE.format(factor=-1))
    changed = brainbench.score(model, one, **asked)
    assert changed.value != first.value
    assert changed.benchmark != first.benchmark
    assert changed.file != first.file
    plain = brainbench.score(model, one, results=tmp_path / "kept")
    assert plain.benchmark == "Known.IT-pls"


def test_benchmarks_of_other_measures_are_omitted_with_a_note(declared):
    one, _ = declared
    other = replace(one, identifier="Other.IT-rsa", measure=Similarity(metric="rsa"))
    notes = RecordedNotes()
    with progress.use(notes):
        kept = with_metric([one, other], "ridge")
    assert [variant.identifier for variant in kept] == ["Known.IT-pls+ridge"]
    assert ["Other.IT-rsa" in note for note in notes.notes] == [True]
    with pytest.raises(InputError, match=r"Other\.IT-rsa"):
        with_metric([other], "ridge")


def test_variance_beyond_other_models(declared, tmp_path):
    one, model = declared
    other = replace(model, name="other", digest="0123456789")
    score = brainbench.score(model, one, beyond=[other], results=tmp_path, seed=2)
    assert score.benchmark == "Known.IT-pls+beyond-other-01234567"
    assert set(PARTS) <= set(score.figures)
    assert score.value == pytest.approx(0.0, abs=1e-9)  # the same responses under another name
    assert brainbench.score(model, one, beyond=[other], results=tmp_path, seed=2).file == score.file
    changed = replace(other, digest="9876543210")
    again = brainbench.score(model, one, beyond=changed, results=tmp_path, seed=2)
    assert again.benchmark == "Known.IT-pls+beyond-other-98765432"


def test_registered_models_are_named_without_their_digest(declared):
    one, _ = declared
    job = Job.of("pixels", one, Settings(), variant=Variant(beyond="pixels,gabor"))
    (variant,) = job.benchmarks
    assert variant.identifier == "Known.IT-pls+beyond-pixels-gabor"
    assert [name for name, _ in variant.measure.config()["beyond"]] == ["pixels", "gabor"]
    assert variant.measure.n_splits == one.measure.n_splits


# --- errors ---------------------------------------------------------------------------------------


def test_what_is_no_map(declared):
    one, _ = declared
    with pytest.raises(UnknownNameError, match="ridge_cv"):
        with_metric([one], "ridge_cv")
    for given in (LogisticRegression(), 3):
        with pytest.raises(InputError, match=type(given).__name__):
            with_metric([one], given)


@pytest.mark.parametrize(
    ("name", "error", "word"),
    [
        ("absent", UnknownNameError, "'absent'"),
        ("needs", InputError, "alpha"),
        ("number", InputError, "int"),
    ],
)
def test_what_is_no_estimator_in_a_file(file, declared, name, error, word):
    with pytest.raises(error, match=word):
        with_metric([declared[0]], f"{file}:{name}")


def test_references_that_do_not_exist(declared):
    one, model = declared
    with pytest.raises(UnknownNameError, match="pixel"):
        brainbench.score(model, one, beyond="pixel")
    with pytest.raises(InputError, match="pixels, pixels"):
        brainbench.score(model, one, beyond=["pixels", "pixels"])
    with pytest.raises(InputError, match="--metric"):
        brainbench.score(model, one, beyond="pixels", metric="ridge")


def test_no_such_file(tmp_path, declared):
    with pytest.raises(InputError, match=r"no_map\.py:f") as caught:
        with_metric([declared[0]], f"{tmp_path / 'no_map.py'}:f")
    assert "--metric" in caught.value.todo
