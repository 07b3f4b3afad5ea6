"""`brainbench leaderboard`: what it prints, omits and writes."""

import io
import json
import os
from pathlib import Path

import pandas as pd
import pytest
from stored import CORNET_S, REAL, TWINS, fill, make, of_all

import brainbench
from brainbench.cli import console
from brainbench.core import marks, registry
from brainbench.core.errors import InputError, UnknownNameError


@pytest.fixture
def mixed(results_folder):
    scores = of_all("cornet_s@imagenet", REAL, CORNET_S)
    scores += of_all("cornet_s@untrained-0", REAL, (0.3, 0.2, 0.05, 0.0))
    scores += of_all("cornet_s@untrained-0", TWINS, (0.7, 0.6, 0.4, 0.2))
    limited = {"limit": 64, "seed": 0}
    scores += of_all(
        "cornet_s@untrained-0", TWINS, (0.6, 0.6, 0.3, 0.1), partial=True, settings=limited
    )
    scores += of_all("pixels", REAL[:3], (0.2, 0.1, 0.01))
    scores += [make("pixels", "Simulated.V4-pls", None)]
    scores += [make("convrnn_rgc_intermediate@imagenet", REAL[0], 0.3, raw=0.5, formula="r2/c-v1")]
    return fill(results_folder, scores).folder


def test_the_whole_picture_in_80_columns(mixed, narrow):
    lines = narrow("leaderboard", "--partial")
    assert max(map(len, lines)) <= 80
    assert (
        lines
        == """\
mean-v1: mean of the raw V4, IT, behavior and solution time scores: the
    Brain-Score of the paper

   model                              score       95 % CI  members  of those
1  cornet_s@imagenet                   .471  .431 to .505   4 of 4
   cornet_s@untrained-0 °              .138  .098 to .172   4 of 4
   convrnn_rgc_intermediate@imagenet                        1 of 4      .500
   pixels                                                   3 of 4      .103
   cornet_s@untrained-0 (1) ° *                             0 of 4

benchmark, model                          score        95 % CI  ceiling
MajajHong2015.V4-pls, raw-v1
  cornet_s@imagenet                        .650   .611 to .685     .871
  cornet_s@untrained-0 °                   .300   .261 to .335     .871
  convrnn_rgc_intermediate@imagenet        .500                    .871
  pixels                                   .200   .161 to .235     .871
MajajHong2015.IT-pls, raw-v1
  cornet_s@imagenet                        .600   .561 to .635     .871
  cornet_s@untrained-0 °                   .200   .161 to .235     .871
  convrnn_rgc_intermediate@imagenet  not scored
  pixels                                   .100   .061 to .135     .871
Rajalingham2018-i2n, raw-v1
  cornet_s@imagenet                        .382   .343 to .417     .871
  cornet_s@untrained-0 °                   .050   .011 to .085     .871
  convrnn_rgc_intermediate@imagenet  not scored
  pixels                                   .010  -.029 to .045     .871
Kar2019-ost, raw-v1
  cornet_s@imagenet                        .250   .211 to .285     .871
  cornet_s@untrained-0 °                   .000  -.039 to .035     .871
  convrnn_rgc_intermediate@imagenet  not scored
  pixels                             not scored
Simulated.IT-ost ~, raw-v1
  cornet_s@untrained-0 °                   .200   .161 to .235     .871
  cornet_s@untrained-0 (1) ° *             .100   .061 to .135     .871
Simulated.IT-pls ~, raw-v1
  cornet_s@untrained-0 °                   .600   .561 to .635     .871
  cornet_s@untrained-0 (1) ° *             .600   .561 to .635     .871
Simulated.V4-pls ~, raw-v1
  cornet_s@untrained-0 °                   .700   .661 to .735     .871
  pixels                                 failed
  cornet_s@untrained-0 (1) ° *             .600   .561 to .635     .871
Simulated.behavior-i2n ~, raw-v1
  cornet_s@untrained-0 °                   .400   .361 to .435     .871
  cornet_s@untrained-0 (1) ° *             .300   .261 to .335     .871

protocol paper
of those: the mean of k of n members, which is not the composite
(1) limit 64
° untrained: the weights are seeded random numbers; a baseline, without a rank
~ simulated brain: no animal was recorded
* partial: only some of the stimuli were used; in no composite, no rank
pixels on Simulated.V4-pls: failed: 12 images for 25 components
  allowed: more images
  next: use more""".splitlines()
    )


def test_the_twin_ranks_the_simulated_scores(mixed, narrow):
    lines = narrow("leaderboard", "--composite", "Simulated.mean-v1", "--partial")
    start = next(k for k, line in enumerate(lines) if line.split()[:1] == ["model"]) + 1
    # Untrained: without a rank.
    assert lines[start].split()[:4] == ["cornet_s@untrained-0", "°", ".475", ".436"]
    ranking = [line.split() for line in lines[start + 1 : start + 5]]
    assert [row[0] for row in ranking] == [
        "convrnn_rgc_intermediate@imagenet",
        "cornet_s@imagenet",
        "pixels",
        "cornet_s@untrained-0",
    ]
    assert ranking[1][1:] == ["0", "of", "4"]
    assert ranking[3][1:] == ["(1)", "°", "*", "0", "of", "4"]
    assert "† does not count: partial" in " ".join(" ".join(lines).split())
    assert max(map(len, lines)) <= 80


def test_figures_by_another_formula_stand_in_a_group_of_their_own_and_do_not_count(mixed, narrow):
    lines = narrow("leaderboard", "--composite", "mission-v2")
    groups = [line for line in lines if line.startswith("MajajHong2015.V4-pls, ")]
    assert groups == ["MajajHong2015.V4-pls, r2/c-v1", "MajajHong2015.V4-pls, raw-v1"]
    assert any("† does not count: scored as r2/c-v1, not as" in line for line in lines)
    assert not any(line.endswith("1 of 6") for line in lines)


def test_models_of_one_name_are_told_apart_by_their_weights(results_folder, narrow):
    fill(results_folder, [make("net", REAL[0], 0.5, weights=one) for one in ("first", "second")])
    shown = [line.strip() for line in narrow("leaderboard")]
    assert [line.split()[:2] for line in shown if line.startswith("net")][:2] == [
        ["net", "[first]"],
        ["net", "[second]"],
    ]


def test_a_composite_without_interval_says_why(results_folder, narrow):
    scores = of_all("net", REAL[:3], CORNET_S[:3])
    fill(results_folder, [*scores, make("net", REAL[3], 0.25, draws=None)])
    lines = narrow("leaderboard")
    assert lines[4].split() == ["1", "net", ".471", "4", "of", "4"]
    assert "net: no interval: no draws of Kar2019-ost" in lines


def test_an_approximate_interval_is_marked(results_folder, narrow):
    scores = of_all("net", REAL[:3], CORNET_S[:3]) + of_all("sure", REAL, CORNET_S)
    fill(results_folder, [*scores, make("net", REAL[3], 0.25, ci_approximate=True)])
    lines = narrow("leaderboard")
    assert lines[4].split() == ["1", "§", "net", ".471", "≈", ".431", "to", ".505", "4", "of", "4"]
    assert lines[5].split() == ["2", "§", "sure", ".471", ".431", "to", ".505", "4", "of", "4"]
    assert sum("≈ .211 to .285" in line for line in lines) == 1
    assert marks.APPROXIMATE in lines
    assert max(map(len, lines)) <= 80


def test_a_ceiling_that_is_not_above_0_is_marked_where_it_divides(results_folder, narrow):
    marked = {"raw": 0.6, "formula": "r/sqrt(c)-v1", "ceiling_above_0": False}
    fill(results_folder, [make("net", REAL[0], 0.7, **marked), make("other", REAL[0], 0.5)])
    lines = narrow("leaderboard", "--composite", "mission-v2")
    assert sum(".700 † !" in line for line in lines) == 1
    assert marks.NOT_ABOVE_0 in " ".join(" ".join(lines).split())
    raw = narrow("leaderboard", "--composite", "mean-v1")  # takes the raw figure
    assert not any("!" in line for line in raw)


def test_a_composite_that_no_installed_benchmark_can_fill_says_so(
    results_folder, narrow, monkeypatch
):
    for name in ("MajajHong2015.V4-pls", "Kar2019-ost"):
        monkeypatch.delitem(registry.entries("benchmarks"), name, raising=False)
    fill(results_folder, [make("net", "Cowley2023.V4-ccnorm", 0.5, formula="r/sqrt(c)-v1")])
    said = " ".join(" ".join(narrow("leaderboard")).split())
    assert "1 of 6" in said
    assert (
        "no benchmark of that name is installed: MajajHong2015.V4-pls, Kar2019-ost; mission-v2 stays "
        "undefined."
    ) in said
    fill(results_folder, of_all("net", TWINS, CORNET_S))
    twin = narrow("leaderboard", "--composite", "Simulated.mean-v1")
    assert not any(line.startswith("no benchmark of that name") for line in twin)


def test_what_is_not_shown_is_counted(results_folder, narrow):
    scores = of_all("net", REAL, CORNET_S) + of_all("net", REAL, CORNET_S, protocol="brainscore")
    other = make("net", REAL[0], 0.1, formula="r2/c-v1")
    fill(results_folder, [*scores, other])
    lines = narrow("leaderboard")
    assert "of another version or by another formula, and not shown: 1" in lines
    assert "of another protocol, and not shown: 4" in lines


def test_rows_of_one_name_are_told_apart_by_their_digests_and_marked(results_folder, narrow):
    scores = of_all("net", REAL, CORNET_S, digest="aaaaaaaa11", weights="as given")
    scores += of_all("net", REAL, (0.1, 0.1, 0.1, 0.1), digest="bbbbbbbb22", weights="as given")
    fill(results_folder, scores)
    lines = [line.strip() for line in narrow("leaderboard")]
    assert [line.split()[:5] for line in lines if "net [" in line][:2] == [
        ["1", "§", "net", "[aaaaaaaa]", "?"],
        ["2", "§", "net", "[bbbbbbbb]", "?"],
    ]
    assert any(line.startswith("? nobody said") and "weights=" in line for line in lines)


def test_a_score_of_an_older_key_is_marked(results_folder, narrow):
    scores = of_all("net", REAL, CORNET_S)
    for saved in map(Path, [s.file for s in fill(results_folder, scores).all()]):
        stored = {**json.loads(saved.read_text()), "schema": 1}
        del stored["digest"]
        saved.write_text(json.dumps(stored))
    lines = [line.strip() for line in narrow("leaderboard")]
    assert any(line.split()[:3] == ["1", "net", "‡"] for line in lines)
    assert any(line.startswith("‡ older key") for line in lines)


def test_json(mixed, call):
    done = call("leaderboard", "--format", "json", "--partial")
    rows = json.loads(done.out)
    assert done.status == 0
    assert rows[0]["composite"]["value"] == pytest.approx(0.4705)
    assert [row["untrained"] for row in rows] == [False, True, False, False, True]


def test_csv_is_the_frame_that_python_gives(mixed, call, tmp_path):
    path = tmp_path / "board.csv"
    done = call("leaderboard", "--csv", path, "--composite", "mean-v1")
    assert done.status == 0
    back = pd.read_csv(path)
    frame = brainbench.leaderboard(mixed, composite="mean-v1")
    assert list(back.columns) == list(frame.columns)
    assert back["model"].tolist() == frame["model"].tolist()
    assert back["composite_value"].to_numpy() == pytest.approx(
        frame["composite_value"].to_numpy(), nan_ok=True
    )
    assert back["untrained"].dtype == bool


def test_the_order_of_files_does_not_matter(mixed, call, tmp_path):
    first = call("leaderboard", "--csv", tmp_path / "a.csv").out
    for path in sorted(mixed.glob("*/*.json"), reverse=True):
        path.rename(path.with_name(f"x{path.name}"))
    assert call("leaderboard", "--csv", tmp_path / "b.csv").out == first
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_a_broken_file_is_named_and_hides_nothing(mixed, call):
    (mixed / REAL[0] / "broken.json").write_text("{")
    done = call("leaderboard")
    assert done.status == 0
    assert "broken.json" in done.err
    assert "cornet_s@imagenet" in done.out


def test_odd_files_are_named_each_on_a_line_and_hide_nothing(mixed, call):
    usual = call("leaderboard").out
    folder = mixed / REAL[0]
    whole = json.loads(next(folder.glob("*.json")).read_text())
    os.mkfifo(folder / "pipe.json")
    (folder / "folder.json").mkdir()
    (folder / "loop.json").symlink_to(folder / "loop.json")
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "nan.json").write_text('{"schema": 1, "key": "k", "value": NaN}')
    (folder / "typed.json").write_text(json.dumps({**whole, "value": "0.3", "ci": [1, 2, 3]}))
    (folder / "\x1b[2Jescape.json").write_text("{")
    done = call("leaderboard")
    assert (done.status, done.out) == (0, usual)
    lines = done.err.splitlines()
    names = ("pipe", "folder", "loop", "deep", "nan", "typed", r"\x1b[2Jescape")
    for name in names:
        assert sum(f"{name}.json" in line for line in lines) == 1
    assert len(lines) == len(names)
    assert "\x1b" not in done.err


def test_what_a_stored_score_says_is_shown_and_not_obeyed(results_folder, call, tmp_path):
    odd = "=net\x1b]0;owned\x07[red]"
    scores = [make(odd, odd, 0.5), make(f"{odd}2", odd, None, reason=f"{odd}\n  next: {odd}")]
    fill(results_folder, scores)
    done = call("leaderboard", "--csv", tmp_path / "board.csv")
    assert done.status == 0
    shown = r"=net\x1b]0;owned\x07[red]"
    assert done.out.count(shown) >= 4
    written = (tmp_path / "board.csv").read_text()
    for text_ in (done.out, done.err, written):
        assert not {"\x1b", "\x07"} & set(text_)
    table = pd.read_csv(tmp_path / "board.csv")
    assert table["model"].tolist() == [f"'{shown}", f"'{shown}2"]
    assert table[f"'{shown}"].tolist()[0] == 0.5


def test_scores_of_the_program_itself(call, results_folder):
    call("score", "-m", "fake,fake@untrained-0", "-b", "Fake.IT-pls", "-q")
    rows = json.loads(call("leaderboard", "--format", "json").out)
    assert [row["model"] for row in rows] == ["fake", "fake@untrained-0"]
    cell = rows[0]["benchmarks"]["Fake.IT-pls"]
    assert (cell["status"], cell["state"]) == ("scored", "scored")
    assert rows[0]["settings"] == {}


def test_an_empty_folder(call, results_folder, tmp_path):
    done = call("leaderboard", "--results", tmp_path / "nothing")
    assert (done.status, done.out) == (2, "")
    assert str(tmp_path / "nothing") in done.err
    assert "-o DIR" in done.err


@pytest.mark.parametrize(
    ("arguments", "got"),
    [
        (["--composite", "mean-v2"], "'mean-v2'"),
        (["--protocol", "papers"], "--protocol 'papers'"),
        (["--protocol", "brainscore"], "brainscore"),
        (["--format", "xml"], "--format 'xml'"),
        (["--csv", "/nowhere/board.csv"], "--csv /nowhere/board.csv"),
    ],
)
def test_wrong_usage(mixed, call, arguments, got):
    done = call("leaderboard", *arguments)
    assert (done.status, done.out) == (2, "")
    assert got in done.err.splitlines()[0]


def test_a_csv_that_cannot_be_written(mixed, call, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    done = call("leaderboard", "--csv", tmp_path / "board.csv")
    assert done.status == 2
    assert "board.csv" in done.err
    assert "No space left on device" in done.err


def test_a_reader_that_stops_reading_loses_no_csv(mixed, call, tmp_path, monkeypatch):
    def closed():
        raise BrokenPipeError

    monkeypatch.setattr(console, "stdout", closed)
    with pytest.raises(BrokenPipeError):
        call("leaderboard", "--csv", tmp_path / "board.csv")
    assert len(pd.read_csv(tmp_path / "board.csv")) == 4


def test_wrong_usage_in_python(mixed, tmp_path):
    with pytest.raises(UnknownNameError, match="papers"):
        brainbench.leaderboard(mixed, protocol="papers")
    with pytest.raises(InputError, match="nothing"):
        brainbench.leaderboard(tmp_path / "nothing")


def test_a_broken_file_in_python_is_logged(mixed, caplog):
    (mixed / REAL[0] / "broken.json").write_text("{")
    assert len(brainbench.leaderboard(mixed)) == 4
    assert "broken.json" in caplog.text


def test_help_and_a_pipe(shell, results_folder):
    done = shell("leaderboard", "--help")
    assert done.status == 0
    assert max(map(len, done.out.splitlines())) <= 80
    fill(results_folder, of_all("m" * 70, REAL, CORNET_S))
    done = shell("leaderboard")
    assert done.status == 0
    assert f"1  {'m' * 70}   .471" in done.out


def test_composites_by_name(call):
    done = call("list", "composites", "Simulated.*")
    assert done.status == 0
    assert [line.split()[0] for line in done.out.splitlines()[1:]] == [
        "Simulated.mean-v1",
        "Simulated.mean-v1-static",
        "Simulated.mission-v2",
    ]
    assert "not one" in json.loads(call("show", "mission-v2", "--json").out)["scale"]
    facts = json.loads(call("show", "mean-v1", "--json").out)
    assert facts["members"][0] == "MajajHong2015.V4-pls, as raw-v1"


def test_partial_rows_are_hidden_unless_asked_for(mixed, call):
    hidden = call("leaderboard", "--composite", "Simulated.mean-v1")
    assert "partial, and not shown: 4 (--partial)" in hidden.out
    shown = call("leaderboard", "--composite", "Simulated.mean-v1", "--partial").out
    assert shown.count("cornet_s@untrained-0 (1) ° *") == 5


def test_selections(mixed, call):
    def models(*arguments):
        rows = json.loads(call("leaderboard", "--format", "json", *arguments).out)
        return sorted(row["model"] for row in rows)

    assert models("-m", "cornet_s,pix*") == ["cornet_s@imagenet", "cornet_s@untrained-0", "pixels"]
    assert models("--trained", "-b", REAL[1]) == ["cornet_s@imagenet", "pixels"]
    assert call("leaderboard", "-m", "cornet_z").status == 2


def test_several_folders(mixed, call, tmp_path):
    fill(tmp_path / "other", of_all("new@imagenet", REAL, (0.7, 0.7, 0.4, 0.3)))
    done = call("leaderboard", "-o", mixed, "-o", tmp_path / "other", "--format", "json")
    ranked = {row["model"]: row["rank"] for row in json.loads(done.out) if row["rank"]}
    assert ranked == {"new@imagenet": 1, "cornet_s@imagenet": 2}
    both = brainbench.leaderboard([mixed, tmp_path / "other"])
    assert both["model"].tolist()[:2] == ["new@imagenet", "cornet_s@imagenet"]


def test_formats_for_papers(mixed, call):
    markdown = call("leaderboard", "--format", "markdown").out.splitlines()
    assert markdown[0].startswith("| rank | model | mean-v1 | 95 % CI | members | Majaj")
    assert markdown[1].startswith("| --- | --- | ---: |")
    assert markdown[2].startswith(
        "| 1 | cornet\\_s@imagenet | .471 | .431 to .505 | 4 of 4 | .650 |"
    )
    latex = call("leaderboard", "--format", "latex").out
    assert r"1 & cornet\_s@imagenet & .471 & .431 to .505 & 4 of 4 & .650 &" in latex
    assert r"cornet\_s@untrained-0 $^{\circ}$" in latex
    assert r"\toprule" in latex
    assert latex.partition(r"\end{tabular}")[0].isascii()
    csv = call("leaderboard", "--format", "csv").out
    assert pd.read_csv(io.StringIO(csv))["composite_value"][0] == pytest.approx(0.4705)


def test_markup_in_names_is_text_in_every_format(results_folder, call, tmp_path):
    odd = r"<b>|*x*\input{y}%$_"
    fill(results_folder, of_all(odd, REAL, CORNET_S))
    latex = call("leaderboard", "--format", "latex").out
    assert r"\input{" not in latex
    row = call("leaderboard", "--format", "markdown").out.splitlines()[2]
    assert row.count(" | ") == 8
    assert "<b>" not in row.replace(r"\<", "")
    assert call("leaderboard", "--html", tmp_path / "board.html").status == 0
    assert "<b>" not in (tmp_path / "board.html").read_text()


def test_a_long_table_shows_its_first_rows_and_says_so(results_folder, call):
    values = {f"net{k:02d}": k / 20 for k in range(12)}
    fill(results_folder, [s for m, v in values.items() for s in of_all(m, REAL, (v,) * 4)])
    lines = call("leaderboard", "--top", "5").out.splitlines()
    ranked = [line.split() for line in lines if line.split()[1:2] == ["§"]]
    assert [row[2] for row in ranked] == ["net11", "net10", "net09", "net08", "net07"]
    assert "rows that are not shown: 7 (--top N, --format csv)" in lines
    assert len(json.loads(call("leaderboard", "--top", "5", "--format", "json").out)) == 12


def test_a_page_has_every_composite_and_protocol(mixed, call, tmp_path):
    fill(tmp_path / "more", of_all("net", REAL, CORNET_S, protocol="brainscore"))
    path = tmp_path / "board.html"
    done = call("leaderboard", "-o", mixed, "-o", tmp_path / "more", "--html", path)
    assert done.status == 0
    page = path.read_text()
    for composite, protocol in (
        ("mean-v1", "paper"),
        ("Simulated.mean-v1", "paper"),
        ("mean-v1", "brainscore"),
    ):
        assert f'data-composite="{composite}" data-protocol="{protocol}"' in page
    assert "95 % interval .611 to .685, ceiling .871" in page


def test_published_figures_stand_beside_measured_ones(mixed, call, results_folder, tmp_path):
    out = call("leaderboard", "--published").out
    assert "CORnet-S (published)" in out
    assert "published, not measured here: Kubilius et al., 2019" in out
    alone = call("leaderboard", "--published", "-o", tmp_path / "nothing")
    assert alone.status == 0
    assert "rows that are not shown: 143" in alone.out
    assert call("leaderboard", "--published", "--composite", "Simulated.mean-v1").status == 2


def test_what_was_not_chosen_is_not_called_not_scored(mixed, call):
    done = call("leaderboard", "-b", REAL[1])
    assert REAL[1] in done.out
    assert "not scored" not in done.out
    assert not any(line.startswith(f"{REAL[0]},") for line in done.out.splitlines())
    assert "of those" not in call("leaderboard", "--format", "markdown").out


def test_notes_of_latex_are_a_line_each(mixed, call):
    lines = call("leaderboard", "--format", "latex").out.splitlines()
    notes = lines[lines.index(r"\end{tabular}") + 1 :]
    assert notes[0] == "% protocol paper"
    assert len(notes) > 3
    assert all(note.startswith("% ") for note in notes)


def test_scores_that_no_composite_counts_are_shown_without_ranks(results_folder, call, tmp_path):
    fill(results_folder, [make("net", "Kriegeskorte2008.IT-rsa", 0.3, partial=True)])
    hidden = call("leaderboard").out
    assert hidden.splitlines() == ["protocol paper", "partial, and not shown: 1 (--partial)"]
    path = tmp_path / "board.html"
    lines = call("leaderboard", "--partial", "--html", path).out.splitlines()
    assert lines[0].split()[:2] == ["benchmark,", "model"]
    assert "no ranks: no score above counts in mean-v1" in lines
    markdown = call("leaderboard", "--partial", "--format", "markdown").out.splitlines()
    assert markdown[:2] == ["| model | Kriegeskorte2008.IT-rsa |", "| --- | ---: |"]
    assert r"\begin{tabular}{lr}" in call("leaderboard", "--partial", "--format", "latex").out
    page = path.read_text()
    assert ">Scores, protocol paper</h2>" in page
    assert page.count("<th ") == 3  # two columns and a row
