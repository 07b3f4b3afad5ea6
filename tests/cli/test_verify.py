"""`brainbench verify`, on a results folder of small invented scores."""

import json

import pytest

TWO = "Fake.IT-pls,Fake.V1-pls"


def counts(out):
    """Return the counts of the row of results, by column."""
    header, row = (line.split() for line in out.splitlines()[:2])
    assert (header[0], row[0]) == ("kept", "results")
    return dict(zip(header[1:], map(int, row[1:]), strict=True))


@pytest.fixture
def files(call, results_folder):
    """Stored scores of two benchmarks, by benchmark; the two have the same predictions."""
    call("score", "-m", "fake", "-b", TWO)
    return {path.parent.name: path for path in results_folder.glob("*/*.json")}


def test_sound_results(call, files):
    done = call("verify", "--results")
    assert done.status == 0
    assert counts(done.out) == {"files": 3, "sound": 3, "damaged": 0, "unknown": 0}
    assert "damaged:" not in done.out
    assert call("verify", "--results", "-q").err == ""


def test_a_damaged_score_is_named_with_the_command_that_repairs_it(call, files, results_folder):
    path = files["Fake.IT-pls"]
    path.write_text(path.read_text().replace('"n_units": 4', '"n_units": 5'))
    done = call("verify", "--results")
    assert done.status == 1
    assert counts(done.out) == {"files": 3, "sound": 2, "damaged": 1, "unknown": 0}
    assert f"damaged: {path}" in done.out
    command = f"brainbench score -m fake -b Fake.IT-pls -o {results_folder}"
    assert command in done.out
    before = path.read_bytes()
    call("verify", "--results")
    assert path.read_bytes() == before  # nothing is changed
    assert call(*command.split()[1:]).status == 0
    assert call("verify", "--results").status == 0


def test_damaged_predictions_are_repaired_by_the_command_that_is_named(call, files, results_folder):
    path = sorted(results_folder.glob("predictions/*.npz"))[0]
    path.write_bytes(path.read_bytes()[:-50])
    done = call("verify", "--results")
    assert done.status == 1
    [line] = [line for line in done.out.splitlines() if "--overwrite always" in line]
    command = line[line.index("brainbench score") :].split()
    assert call(*command[1:]).status == 0
    assert call("verify", "--results").status == 0


def test_the_command_has_the_options_that_the_score_was_made_with(call, results_folder):
    options = ["--limit", "6", "--seed", "2", "--layers", "IT=V4.output"]
    call("score", "-m", "fake", "-b", "Fake.IT-pls", *options)
    [path] = results_folder.glob("Fake*/*.json")
    path.write_text(path.read_text().replace('"n_units": 4', '"n_units": 5'))
    done = call("verify", "--results")
    command = f"brainbench score -m fake -b Fake.IT-pls {' '.join(sorted_flags(options))} -o"
    assert command in done.out
    [line] = [line for line in done.out.splitlines() if command in line]
    assert call(*line[line.index("brainbench score") :].split()[1:]).status == 0
    assert call("verify", "--results").status == 0
    path.write_text(path.read_text().replace('"limit": 6', '"limit": "; rm -r"'))
    assert "brainbench score -m fake -b Fake.IT-pls -o" in call("verify", "--results").out


def sorted_flags(options):
    """Return options in the order of their declaration."""
    limit, seed, layers = options[:2], options[2:4], options[4:]
    return [*layers, *seed, *limit]


def test_a_link_to_nothing_and_a_folder_are_named(call, files):
    for path, word in ((files["Fake.IT-pls"], "a link to"), (files["Fake.V1-pls"], "a folder")):
        path.unlink()
        path.symlink_to(path.with_name("gone")) if word == "a link to" else path.mkdir()
        done = call("verify", "--results")
        assert f"{path} cannot be opened ({word}" in done.out


def test_what_was_written_before_digests_were_kept_is_unknown(call, files):
    path = files["Fake.V1-pls"]
    stored = json.loads(path.read_text())
    del stored["digest"]
    path.write_text(json.dumps({**stored, "schema": 1}))
    done = call("verify", "--results")
    assert done.status == 0
    assert counts(done.out) == {"files": 3, "sound": 2, "damaged": 0, "unknown": 1}
    assert "unknown: 1 files" in done.out


def test_json_is_all_of_stdout(call, files):
    path = files["Fake.IT-pls"]
    path.write_text("{")
    done = call("verify", "--results", "--format", "json")
    assert done.status == 1
    [results] = json.loads(done.out)
    assert (results["kept"], results["damaged"]) == ("results", 1)
    [finding] = results["findings"]
    assert (finding["path"], finding["state"]) == (str(path), "damaged")


def test_an_empty_folder_and_a_wrong_format(call, tmp_path):
    done = call("verify", "--results", "-o", tmp_path / "nothing")
    assert done.status == 0
    assert counts(done.out)["files"] == 0
    assert call("verify", "--results", "--format", "xml").status == 2
