"""Pages in a browser: no message on the console, no overflow, no request, and sorting by keyboard."""

import drawn
import pytest
from chromium import Browser
from stored import CORNET_S, REAL, TWINS, fill, make, of_all

from brainbench.ranking.ranks import board
from brainbench.reporting.leaderboard_page import leaderboard_page
from brainbench.reporting.report import report_page
from brainbench.run.loading import load_composites

pytestmark = pytest.mark.slow
ODD = "<img src=x onerror=alert(1)><script>document.title='owned'</script>" + "long" * 30


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    opened = Browser(tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    scores = of_all("cornet_s@imagenet", REAL, CORNET_S) + of_all(
        "pixels", REAL, (0.2, 0.1, 0.01, 0.0)
    )
    scores += of_all("cornet_s@untrained-0", TWINS, (0.7, 0.6, 0.4, 0.2))
    scores += [drawn.behavior(), drawn.similarity(), drawn.dynamics(ODD), drawn.layered()]
    scores += [*of_all(ODD, REAL, (0.3, 0.2, 0.1, 0.1)), make("net", ODD, None, reason=ODD)]
    (folder / "report.html").write_text(report_page(scores, unreadable=[ODD], title="Scores"))
    results = fill(folder / "results", scores)
    names = "mean-v1", "Simulated.mean-v1"
    boards = [board(results, load_composites(one)) for one in names]
    (folder / "board.html").write_text(leaderboard_page(boards))
    return folder


def all_of(selector):
    return f"[...document.querySelectorAll('{selector}')]"


def choose(browser, control, value):
    browser.run(
        f"((o) => {{ o.value = '{value}'; o.dispatchEvent(new Event('input')); }})"
        f"(document.getElementById('{control}'))"
    )


@pytest.mark.parametrize("name", ["report", "board"])
def test_pages_fit_and_are_silent(browser, pages, name):
    for width, dark, media in (
        (1280, False, "screen"),
        (390, True, "screen"),
        (800, False, "print"),
    ):
        browser.open(pages / f"{name}.html", width=width, dark=dark, media=media)
        assert browser.problems == []
        asked = [url for url in browser.requests if not url.startswith("data:")]
        assert asked == [(pages / f"{name}.html").as_uri()]
        if media == "screen":
            assert browser.overflow() == 0
            assert browser.wider_than_window() == []
        assert "owned" not in browser.run("document.title")
        assert browser.run("document.querySelectorAll('img, script[src]').length") == 0


def test_the_report_is_sorted_by_keyboard(browser, pages):
    browser.open(pages / "report.html", width=1280)
    values = f"{all_of('#scores ~ .scroll tbody td:nth-child(3)')}.map(o => o.dataset.value)"
    browser.run("document.querySelector('#scores ~ .scroll').focus()")
    for _ in range(3):
        browser.press("Tab")
    assert browser.run("document.activeElement.innerText") == "score"
    browser.press("Enter")
    found = [float(one) for one in browser.run(values) if one]
    assert found == sorted(found, reverse=True)
    assert browser.run(values)[-1] == ""  # without a value: last
    browser.press("Enter")
    found = [float(one) for one in browser.run(values) if one]
    assert found == sorted(found)
    assert (
        browser.run("document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"
    )


def test_the_leaderboard_is_filtered_and_tells_intervals(browser, pages):
    browser.open(pages / "board.html", width=1280)
    shown = f"{all_of('.board:not([hidden])')}.map(o => o.dataset.composite)"
    assert browser.run(shown) == ["mean-v1"]
    choose(browser, "benchmark", REAL[0])
    columns = all_of(".board:not([hidden]) thead th[data-benchmark]:not([hidden])")
    assert browser.run(f"{columns}.map(o => o.dataset.benchmark)") == [REAL[0]]
    choose(browser, "model", "CORNET")
    rows = all_of(".board:not([hidden]) tbody tr:not([hidden])")
    found = browser.run(f"{rows}.map(o => o.dataset.model)")
    assert found == ["cornet_s@imagenet", "cornet_s@untrained-0 °"]
    browser.run("document.querySelector('.board:not([hidden]) tbody button').click()")
    said = browser.run("document.querySelector('.board:not([hidden]) .said').textContent")
    assert said.startswith("cornet_s@imagenet: MajajHong2015.V4-pls: .650 (raw-v1), 95 % interval")
    assert ".611 to .685, ceiling .871" in said
    choose(browser, "composite", "Simulated.mean-v1")
    assert browser.run(shown) == ["Simulated.mean-v1"]
