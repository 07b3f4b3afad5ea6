"""Stored scores as rows: what belongs together, what counts, in which order."""

import json

import numpy as np
import pandas as pd
import pytest
from stored import CORNET_S, REAL, TWINS, draws, fill, make, of_all

from brainbench.core.errors import InputError
from brainbench.core.score import Score
from brainbench.ranking.ranks import board, rows
from brainbench.ranking.selection import stored
from brainbench.ranking.table import COLUMNS, OF_BENCHMARK
from brainbench.ranking.versions import versions_here
from brainbench.run.loading import load_benchmark, load_composite, load_composites
from brainbench.simulate.brain import SimulatedBrain
from brainbench.storage.results import Results

MEAN = load_composite("mean-v1")
TWIN = load_composite("Simulated.mean-v1")
LATER, NOW = "2026-02-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"


def one_row(scores, composite=MEAN):
    [row] = rows(scores, composite)
    return row


def test_cornet_s_of_the_paper():
    made = one_row(of_all("cornet_s@imagenet", REAL, CORNET_S)).combined
    assert made.value == pytest.approx(0.4705)
    assert (made.k, made.n) == (4, 4)
    together = np.mean([draws(value) for value in CORNET_S], axis=0)
    assert made.ci == pytest.approx(np.quantile(together, [0.025, 0.975]))


def test_a_missing_member_makes_the_composite_undefined():
    row = one_row(of_all("a@imagenet", REAL[:3], CORNET_S[:3]))
    assert row.combined.value is None
    assert row.combined.of_those == pytest.approx(np.mean(CORNET_S[:3]))
    assert (row.combined.k, row.combined.n) == (3, 4)
    assert row.why_not("Kar2019-ost") == "not scored"
    assert row.why_not(REAL[0]) is None


def test_a_failed_member_is_missing_and_shown_as_failed():
    scores = of_all("a", REAL, (*CORNET_S[:3], None))
    row = one_row(scores)
    assert row.combined.value is None
    assert row.why_not("Kar2019-ost") == "failed"
    assert row.cells["Kar2019-ost"].state == "failed"
    assert row.cells["Kar2019-ost"].score.reason == scores[3].reason


@pytest.mark.parametrize(
    "apart",
    [
        {"protocol": "brainscore"},
        {"partial": True},
        {"weights": "untrained-0"},
        {"settings": {"seed": 1}},
        {"settings": {"floor": 0.3}},
        {"settings": {"resample": "images"}},
        {"settings": {"layers": {"IT": "IT.output"}}},
        {"partial": True, "settings": {"limit": 64}},
    ],
)
def test_what_differs_is_another_row_and_never_one_composite(apart):
    scores = [*of_all("a", REAL[:3], CORNET_S[:3]), make("a", REAL[3], 0.25, **apart)]
    made = rows(scores, MEAN)
    assert [row.combined.k for row in made] == [3, 0 if "partial" in apart else 1]
    assert all(row.combined.value is None for row in made)


@pytest.mark.parametrize(
    "same",
    [
        {"settings": {"seed": 0, "resample": "both", "limit": None, "layers": {}, "floor": None}},
        {"settings": {"limit": 5000}},  # more than there are: nothing is left out
        {"settings": {"null": "images", "null_draws": 10}},  # changes no figure
    ],
)
def test_what_does_not_differ_is_the_same_row(same):
    scores = [*of_all("a", REAL[:3], CORNET_S[:3]), make("a", REAL[3], 0.25, **same)]
    assert one_row(scores).combined.value == pytest.approx(0.4705)


@pytest.mark.parametrize(("names", "composite"), [(REAL, MEAN), (TWINS, TWIN)])
def test_partial_scores_make_no_composite(names, composite):
    scores = of_all("a", names, CORNET_S, partial=True, settings={"limit": 64})
    row = one_row(scores, composite)
    assert (row.combined.value, row.combined.of_those, row.combined.k) == (None, None, 0)
    assert [row.why_not(name) for name in names] == ["partial"] * 4
    assert row.partial
    assert row.cells[names[0]].value == CORNET_S[0]  # it is shown
    assert row.unusual == "limit 64"


def test_simulated_scores_never_count_in_a_real_composite():
    scores = [*of_all("a", REAL[:3], CORNET_S[:3]), make("a", REAL[3], 0.25, simulated=True)]
    row = one_row(scores)
    assert row.combined.value is None
    assert row.why_not(REAL[3]) == "of a simulated brain"
    fakes = of_all("a", TWINS, CORNET_S, simulated=False)
    assert one_row(fakes, TWIN).combined.k == 0
    assert one_row(fakes, TWIN).why_not(TWINS[0]) == "not of a simulated brain"


def test_dates_choose_nothing():
    """Two scores of one digest that differ in the figure alone: neither counts, and it is said."""
    times = ["2026-01-01T00:00:00+00:00", LATER, NOW]
    for created in (times, times[::-1]):
        scores = [
            make("a", REAL[0], value, created=when, digest="x", file=f"{value}.json")
            for value, when in zip((0.1, 0.2, 0.3), created, strict=True)
        ]
        row = one_row(scores)
        cell = row.cells[REAL[0]]
        assert (cell.value, cell.state, row.n_others, row.combined.k) == (0.1, "scored", 2, 0)
        assert "several scores that differ" in row.why_not(REAL[0])


def test_equal_scores_of_one_digest_count_once():
    scores = [make("a", REAL[0], 0.1, created=when, digest="x") for when in (LATER, NOW)]
    row = one_row(scores)
    assert (row.n_others, row.combined.k, row.why_not(REAL[0])) == (1, 1, None)


@pytest.mark.parametrize("newest", [0, 1])
def test_two_digests_never_share_a_row_whatever_the_clocks_say(newest):
    created = [LATER, LATER]
    created[newest] = NOW
    scores = [
        *of_all("Sequential", REAL, CORNET_S, digest="x", created=created[0]),
        *of_all("Sequential", REAL, (0.1, 0.1, 0.1, 0.1), digest="y", created=created[1]),
    ]
    made = {row.digest: row for row in rows(scores, MEAN)}
    assert {d: row.combined.value for d, row in made.items()} == pytest.approx(
        {"x": 0.4705, "y": 0.1}
    )
    assert all(row.n_others == 0 for row in made.values())


@pytest.mark.parametrize(
    ("status", "words"), [("not_applicable", "not applicable"), ("data_absent", "data absent")]
)
def test_a_score_without_a_value_keeps_its_status(status, words):
    row = one_row([make("a", REAL[0], None, status=status)])
    assert row.cells[REAL[0]].state == status
    assert row.why_not(REAL[0]) == words


def test_a_score_with_a_value_goes_before_a_failure():
    scores = [make("a", REAL[0], 0.1), make("a", REAL[0], None, created=NOW)]
    assert one_row(scores).cells[REAL[0]].state == "scored"


@pytest.mark.parametrize("old", [{"version": 0}, {"data": "0"}])
def test_scores_on_other_versions_than_those_here_are_shown_but_do_not_count(old):
    scores = of_all("a", REAL, CORNET_S) + of_all("b", REAL[1:], CORNET_S[1:])
    scores += [make("b", REAL[0], 0.9, created=NOW, **old)]
    made = rows(scores, MEAN, {REAL[0]: (1, "1")})
    a, b = sorted(made, key=lambda row: row.model)
    assert a.combined.value == pytest.approx(0.4705)
    cell = b.cells[REAL[0]]
    assert (cell.state, cell.score.status, cell.value) == ("outdated", "scored", 0.9)
    assert b.combined.value is None
    assert b.why_not(REAL[0]) == "of another version of the benchmark or its data than the one here"


def test_the_version_that_is_installed_counts_even_if_there_is_a_higher_one():
    scores = [make("a", REAL[0], 0.5, version=2), make("b", REAL[0], 0.6, version=1)]
    made = {row.model: row.cells[REAL[0]].state for row in rows(scores, MEAN, {REAL[0]: (1, None)})}
    assert made == {"a": "outdated", "b": "scored"}


def test_of_several_versions_of_data_that_is_not_here_none_counts_and_all_are_named():
    scores = [make("a", REAL[0], 0.5, data="d1"), make("b", REAL[0], 0.6, data="d2", created=NOW)]
    made = rows(scores, MEAN)
    assert [row.combined.k for row in made] == [0, 0]
    assert all("d1, d2" in row.why_not(REAL[0]) for row in made)


def test_versions_here_are_those_of_the_installed_benchmarks():
    here = versions_here(["Simulated.IT-pls", "Cowley2023.V4-ccnorm2", "Nobody2030.IT-pls"])
    assert here["Simulated.IT-pls"] == (
        load_benchmark("Simulated.IT-pls").version,
        SimulatedBrain().version,
    )
    assert all(data is None for name, (_, data) in here.items() if name.startswith("Cowley"))
    assert "Nobody2030.IT-pls" not in here


def test_scores_of_an_older_key_have_a_row_of_their_own():
    scores = of_all("a", REAL, CORNET_S, digest="x")
    scores += of_all("a", REAL, CORNET_S, digest="x", older_key=True)
    made = rows(scores, MEAN)
    assert [row.older_key for row in made] == [False, True]


def test_weights_that_nobody_described_are_said():
    row = one_row(of_all("a", REAL, CORNET_S, weights="as given"))
    assert row.undescribed
    assert row.combined.value == pytest.approx(0.4705)


def test_a_higher_version_counts_even_if_it_was_computed_earlier():
    scores = [make("a", REAL[0], 0.5, version=2), make("b", REAL[0], 0.6, version=1, created=NOW)]
    made = {row.model: row.cells[REAL[0]].state for row in rows(scores, MEAN)}
    assert made == {"a": "scored", "b": "outdated"}


def test_a_member_has_the_formula_that_it_must_have():
    mission = load_composite("mission-v2")
    raw = make("a", REAL[0], 0.6, created=NOW)
    row = one_row([raw], mission)
    assert row.combined.k == 0
    assert row.why_not(REAL[0]) == "scored as raw-v1, not as r/sqrt(c)-v1"
    ceiled = make("a", REAL[0], 0.7, raw=0.6, formula="r/sqrt(c)-v1")
    row = one_row([raw, ceiled], mission)
    assert row.cells[REAL[0]].value == 0.7
    assert (row.combined.k, row.combined.of_those) == (1, 0.7)
    assert one_row([raw, ceiled]).cells[REAL[0]].value == 0.6


def test_a_score_whose_ceiling_is_not_above_0_counts_only_with_its_raw_figure():
    marked = {"raw": 0.6, "formula": "r/sqrt(c)-v1", "ceiling_above_0": False}
    scores = [make("a", REAL[0], 0.7, **marked)]
    mission = one_row(scores, load_composite("mission-v2"))
    assert (mission.combined.k, mission.why_not(REAL[0])) == (0, "ceiling not above 0")
    assert one_row(scores).cells[REAL[0]].value == 0.6
    assert (mission.cells[REAL[0]].not_above_0, one_row(scores).cells[REAL[0]].not_above_0) == (
        True,
        False,
    )


def test_the_mark_of_a_ceiling_stands_in_the_frame_and_the_json(tmp_path):
    marks = {"a": None, "b": True, "c": False}
    scores = [make(name, REAL[0], 0.7, ceiling_above_0=mark) for name, mark in marks.items()]
    made = board(fill(tmp_path, scores), load_composites("mean-v1"))
    shown = made.to_frame().set_index("model")[f"{REAL[0]}:ceiling_above_0"].to_dict()
    assert shown == marks
    by_model = {one["model"]: one["benchmarks"][REAL[0]] for one in made.to_json()}
    assert {name: one["ceiling_above_0"] for name, one in by_model.items()} == marks


def test_the_raw_figure_stands_in_every_score_but_its_draws_do_not():
    scores = of_all("a", REAL[:3], CORNET_S[:3])
    scores += [make("a", REAL[3], 0.07, raw=0.25, formula="r2/c-v1")]
    row = one_row(scores)
    assert row.combined.value == pytest.approx(0.4705)
    assert row.combined.ci is None
    assert row.combined.why_no_ci == "no draws of Kar2019-ost"
    cell = row.cells[REAL[3]]
    assert (cell.value, cell.ci, cell.formula) == (0.25, None, "raw-v1")


def test_benchmarks_outside_the_composite_are_shown_as_they_were_scored():
    row = one_row([make("a", "Other.IT-pls", 0.07, raw=0.25, formula="r2/c-v1")])
    assert (row.cells["Other.IT-pls"].value, row.combined.k) == (0.07, 0)


def test_a_score_without_a_record_has_a_row_of_its_own():
    bare = Score(
        model="a", weights="none", benchmark=REAL[0], version=1, protocol="paper", value=0.1
    )
    made = {
        row.digest: row.cells[REAL[0]].value for row in rows([make("a", REAL[0], 0.3), bare], MEAN)
    }
    assert made == {"of a": 0.3, "": 0.1}


@pytest.fixture
def mixed(tmp_path):
    """Trained, untrained, partial, simulated, incomplete and failed; written in no particular order."""
    scores = of_all("pixels", REAL[:3], (0.2, 0.1, 0.01))
    scores += of_all("b@imagenet", REAL, CORNET_S)
    scores += of_all("a@imagenet", REAL, CORNET_S)
    scores += of_all("z@imagenet", REAL, (0.9, 0.9, 0.9, 0.9), partial=True, settings={"limit": 64})
    scores += of_all("cornet_s@untrained-0", REAL, (0.3, 0.2, 0.05, 0.0))
    scores += of_all("cornet_s@untrained-0", TWINS, (0.7, 0.6, 0.4, 0.2))
    scores += [make("c@imagenet", REAL[0], None)]
    scores += [
        make("pixels", "Extra.V1-pls", 0.3),
        make("pixels", REAL[3], 0.9, protocol="brainscore"),
    ]
    return fill(tmp_path / "results", scores)


def test_order_and_ranks(mixed):
    made = board(mixed, load_composites())
    assert made.composite.name == "mean-v1"
    assert [(row.rank, row.model) for row in made.rows] == [
        (1, "a@imagenet"),
        (2, "b@imagenet"),
        (None, "cornet_s@untrained-0"),  # a baseline
        (None, "c@imagenet"),
        (None, "pixels"),
        (None, "z@imagenet"),  # partial, however good
    ]
    assert made.benchmarks == (*REAL, "Extra.V1-pls", *sorted(TWINS))
    assert (made.n_elsewhere, made.unreadable) == (1, ())


def test_an_untrained_model_never_takes_a_rank(tmp_path):
    scores = of_all("a@imagenet", REAL, CORNET_S) + of_all("pixels", REAL, (0.3, 0.2, 0.1, 0.0))
    scores += of_all("b@untrained-0", REAL, (0.9, 0.9, 0.9, 0.9))
    scores += of_all("c@untrained-0", REAL, (0.3, 0.3, 0.1, 0.0))
    made = board(fill(tmp_path, scores), load_composites())
    assert [(row.rank, row.model) for row in made.rows] == [
        (1, "a@imagenet"),
        (2, "pixels"),
        (None, "b@untrained-0"),  # below those with a rank, best first
        (None, "c@untrained-0"),
    ]
    assert made.to_frame()["rank"].tolist()[:2] == [1, 2]
    assert made.to_frame()["rank"].isna().tolist() == [False, False, True, True]


def best_fit(tmp_path, scores, pattern="all"):
    return board(fill(tmp_path, scores), load_composites(pattern)).composite.name


MISSION = load_composite("mission-v2").members
ONE_REAL = [make("a@imagenet", "Cowley2023.V4-ccnorm", 0.4, formula="r/sqrt(c)-v1")]


@pytest.mark.parametrize(
    ("scores", "name"),
    [
        (of_all("a@imagenet", TWINS, CORNET_S) + ONE_REAL, "Simulated.mean-v1"),
        (of_all("a@imagenet", TWINS[:3], CORNET_S[:3]) + ONE_REAL, "Simulated.mean-v1-static"),
        (of_all("a@imagenet", REAL, CORNET_S) + of_all("a@imagenet", TWINS, CORNET_S), "mean-v1"),
        # A rank goes before an untrained model's composite, and that before what is incomplete.
        (
            of_all("a@imagenet", TWINS, CORNET_S) + of_all("a@untrained-0", REAL, CORNET_S),
            "Simulated.mean-v1",
        ),
        (of_all("a@untrained-0", TWINS, CORNET_S) + ONE_REAL, "Simulated.mean-v1"),
        # All six by the right formula: their raw figures make mean-v1 as well.
        (
            [make("a@imagenet", one.benchmark, 0.5, formula=one.formula) for one in MISSION],
            "mission-v2",
        ),
        # Where one of ten models has all six, four scores of each count more.
        (
            [make("a@imagenet", one.benchmark, 0.5, formula=one.formula) for one in MISSION]
            + [s for k in range(9) for s in of_all(f"m{k}@imagenet", REAL, CORNET_S)],
            "mean-v1",
        ),
        (of_all("a@imagenet", TWINS[1:], CORNET_S[1:]) + ONE_REAL, "Simulated.mean-v1"),
        (ONE_REAL, "mission-v2"),
        (of_all("a@imagenet", TWINS, CORNET_S, partial=True), "Simulated.mean-v1"),
        ([make("a@imagenet", "Extra.V1-pls", 0.5)], "mean-v1"),
    ],
)
def test_the_composite_that_says_most_is_the_default(tmp_path, scores, name):
    assert best_fit(tmp_path, scores) == name


def test_a_wildcard_chooses_in_the_same_way(tmp_path):
    scores = of_all("a@imagenet", REAL, CORNET_S) + of_all("b@imagenet", TWINS[:3], CORNET_S[:3])
    assert best_fit(tmp_path, scores, "Simulated.*") == "Simulated.mean-v1-static"


def test_the_twin_ranks_simulated_scores_alone(mixed):
    made = board(mixed, load_composites("Simulated.*"))
    assert made.composite.name == "Simulated.mean-v1"
    assert {row.model: row.combined.k for row in made.rows if row.combined.k} == {
        "cornet_s@untrained-0": 4
    }
    [first, *_] = made.rows
    assert first.combined.value == pytest.approx(np.mean([0.7, 0.6, 0.4, 0.2]))


def test_a_composite_that_has_no_member_there_is_possible_when_asked_for(tmp_path):
    results = fill(tmp_path, of_all("a", TWINS, CORNET_S))
    assert board(results, load_composites()).composite.name == "Simulated.mean-v1"
    made = board(results, load_composites("mean-v1"))
    assert made.composite.name == "mean-v1"
    assert [row.combined.k for row in made.rows] == [0]


def test_frame_and_its_columns(mixed):
    made = board(mixed, load_composites())
    frame = made.to_frame()
    assert tuple(frame.columns) == made.columns
    assert tuple(frame.columns[: len(COLUMNS)]) == COLUMNS
    assert list(frame.columns[len(COLUMNS) :][: len(OF_BENCHMARK)]) == [
        f"MajajHong2015.V4-pls{part}" for part in OF_BENCHMARK
    ]
    first = frame.iloc[0]
    assert first["composite_value"] == pytest.approx(0.4705)
    assert (first["k"], first["n"], first["untrained"]) == (4, 4, False)
    incomplete = frame[frame["model"] == "pixels"].iloc[0]
    assert pd.isna(incomplete["composite_value"])
    assert incomplete["mean_of_k_of_n"] == pytest.approx(np.mean([0.2, 0.1, 0.01]))
    assert incomplete["Kar2019-ost:state"] == "not scored"
    assert frame.set_index("model").loc["c@imagenet", "MajajHong2015.V4-pls:state"] == "failed"


def test_an_interval_whose_coverage_was_not_measured_says_so(tmp_path):
    scores = of_all("a", REAL[:3], CORNET_S[:3])
    scores += [make("a", REAL[3], 0.25, ci_approximate=True)]
    scores += of_all("b", REAL, CORNET_S)
    scores += [make("c", REAL[0], 0.5, draws=None, ci=None, ci_approximate=True)]
    made = board(fill(tmp_path, scores), load_composites("mean-v1"))
    frame = made.to_frame().set_index("model")
    assert frame.loc["a", f"{REAL[3]}:ci_approximate"] is True
    assert frame.loc["a", f"{REAL[0]}:ci_approximate"] is False
    assert frame.loc["c", f"{REAL[0]}:ci_approximate"] is None  # there is no interval
    assert frame["composite_ci_approximate"].tolist() == [True, False, None]
    assert made.to_json()[0]["composite"]["ci_approximate"] is True
    assert made.to_json()[0]["benchmarks"][REAL[3]]["ci_approximate"] is True


def test_the_raw_figure_of_another_formula_has_no_interval_to_be_approximate():
    scores = [make("a", REAL[0], 0.07, raw=0.25, formula="r2/c-v1", ci_approximate=True)]
    assert one_row(scores).cells[REAL[0]].ci_approximate is None


def test_why_a_member_does_not_count_stands_in_the_frame(tmp_path):
    mission = load_composites("mission-v2")
    scores = [
        make("a", REAL[0], 0.6, formula="r/sqrt(c)-v1"),
        make("a", REAL[1], 0.5),
        make("a", REAL[2], None),
        make("a", "Extra.V1-pls", 0.3),
        make("b", REAL[0], 0.6, partial=True),
    ]
    frame = board(fill(tmp_path, scores), mission).to_frame().set_index("model")
    said = [frame.loc["a", f"{name}:counts_not"] for name in REAL]
    assert pd.isna(said[0])
    assert said[1:] == ["scored as raw-v1, not as r/sqrt(c)-v1", "failed", "not scored"]
    assert frame["Extra.V1-pls:counts_not"].isna().all()  # it is no member
    assert frame.loc["a", f"{REAL[2]}:status"] == "failed"
    assert pd.isna(frame.loc["a", f"{REAL[3]}:status"])
    assert frame.loc["b", f"{REAL[0]}:counts_not"] == "partial"
    assert frame.loc["b", f"{REAL[0]}:state"] == "scored"


def test_a_csv_loads_without_arguments_and_is_the_same(mixed, tmp_path):
    frame = board(mixed, load_composites()).to_frame()
    path = tmp_path / "board.csv"
    frame.to_csv(path, index=False)
    back = pd.read_csv(path)
    assert list(back.columns) == list(frame.columns)
    for name in frame.columns:
        there = frame[name].notna() & (frame[name] != "")
        assert (back[name].notna() == there).all(), name
        given = frame[name][there].tolist()
        if name.endswith(("state", "status", "formula")) or isinstance(
            given[0] if given else "", str
        ):
            assert back[name][there].tolist() == given
        else:
            np.testing.assert_allclose(
                back[name][there].astype(float), np.array(given, float), rtol=1e-12
            )


def test_json_has_what_the_frame_has(mixed):
    made = board(mixed, load_composites())
    first, *_, last = made.to_json()
    assert first["composite"]["value"] == pytest.approx(0.4705)
    assert first["composite"]["why_not"] == dict.fromkeys(REAL)
    assert set(first["benchmarks"]) == set(REAL)
    assert (last["partial"], last["rank"], last["settings"]) == (True, None, {"limit": 64})


def test_unreadable_files_are_named_and_hide_nothing(mixed):
    broken = mixed.folder / REAL[0] / "broken.json"
    broken.write_text("{")
    made = board(mixed, load_composites())
    assert len(made.rows) == 6
    [problem] = made.unreadable
    assert str(broken) in problem
    scores, problems = stored(mixed)
    assert (len(scores), len(problems)) == (26, 1)


def damaged(value, rng):
    """Return a JSON value in which one entry, anywhere, is of another kind."""
    odd = [
        None,
        True,
        -1,
        1e308,
        "",
        "0.3",
        [],
        {},
        [[1]],
        {"a": [1]},
        10**400,
        "\x1b[2J",
        "\ud800",
    ]
    if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
        return odd[rng.integers(len(odd))]
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = keys[rng.integers(len(keys))]
    copy = value.copy()
    copy[key] = damaged(value[key], rng)
    return copy


def test_no_damaged_file_takes_the_leaderboard_down(tmp_path):
    results = fill(tmp_path, of_all("a", REAL, CORNET_S))
    [path, *_] = results.files()
    whole, rng = json.loads(path.read_text()), np.random.default_rng(0)
    del whole["digest"]
    whole["schema"] = 1  # whose files have no digest, so that what they hold is looked at
    composites, outcomes = load_composites(), set()
    for _ in range(60):
        path.write_text(json.dumps(damaged(whole, rng)))
        made = board(results, composites)
        made.to_frame()
        json.dumps(made.to_json(), allow_nan=False)
        outcomes.add(len(made.unreadable))
    assert outcomes == {0, 1}


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="nothing") as caught:
        board(Results(tmp_path / "nothing"), load_composites())
    assert "-o DIR" in caught.value.todo


def test_a_folder_with_broken_files_only(tmp_path):
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "x.json").write_text("[]")
    with pytest.raises(InputError, match=r"x\.json"):
        board(Results(tmp_path), load_composites())


def test_no_score_of_the_protocol(tmp_path):
    results = fill(tmp_path, of_all("a", REAL, CORNET_S))
    with pytest.raises(InputError, match=r"brainscore .* 4 ") as caught:
        board(results, load_composites(), protocol="brainscore")
    assert caught.value.allowed == "paper"
