"""A suite's page in a real Chromium: it opens without console messages, filters work, drives play, two runs are side by side."""

import shutil

import pytest

pytest.importorskip("libsumo", reason="the simulator is not installed")

from shared_drives import small_suite

from transdiffuser_planner.cli.main import main

FUTURE = ["evaluate", "suite", "--seeds", "8003:8005", "--duration", "10", "--workers", "1", "--planner", "log-future"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two small runs and their comparison."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(small_suite(tmp_path_factory), folder / "first")
    assert main([*FUTURE, "--out", str(folder / "second")]) == 0
    chosen = ["--planners", "constant-velocity", "log-future", "--out", str(folder / "both")]
    assert main(["evaluate", "compare", str(folder / "first"), str(folder / "second"), *chosen]) == 0
    return folder


def visible(page):
    return [(drive["planner"], drive["seed"]) for drive in page.evaluate("window.suite.visible()")]


def test_the_worst_drive_is_listed_first_and_ready_to_play(runs, opened):
    page = opened(runs / "first" / "report.html")
    assert visible(page)[0] == ("constant-velocity", 8004) and len(visible(page)) == 4
    assert page.locator("#drives tbody tr").nth(0).get_attribute("class") == "can-play current"
    assert page.locator("#playback-title").inner_text().endswith("seed 8004")
    assert page.locator("#stages .event").count() > 0
    assert page.locator("#summary tbody tr").count() == 2
    assert page.locator("#summary tbody tr").nth(1).inner_text().startswith("IDM lane follower*")
    headings = page.locator("#summary th").all_text_contents()
    assert headings[1] == "success rate" and {"at-fault collisions", "TTC violations %"} <= set(headings)
    assert all(cell.endswith("of 2") for cell in page.locator("#summary td:nth-child(2)").all_text_contents())


def test_playback_starts_and_stops_and_seeks_to_events(runs, opened, until):
    page = opened(runs / "first" / "report.html")
    before = page.evaluate("window.suite.image(0)")
    page.click("#play")
    until(page, "window.suite.time() > 0.5")
    page.click("#play")
    assert page.evaluate("window.suite.playing()") is False
    assert page.evaluate("window.suite.image(0)") != before
    page.locator("#stages .event").nth(0).click()
    at = page.evaluate("window.suite.time()")
    page.locator("#slider").fill("0")
    assert page.evaluate("window.suite.time()") == 0 and at >= 0


def test_keys_step_and_play_with_any_focus_except_in_text_fields(runs, opened):
    page = opened(runs / "first" / "report.html")
    for focus in ("#slider", "#stages canvas", "#layers button"):
        page.evaluate("window.suite.seek(1)")
        page.focus(focus)
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        assert page.evaluate("window.suite.time()") == pytest.approx(2.1)
    page.focus("#slider")
    page.keyboard.press("Space")
    assert page.evaluate("window.suite.playing()")
    page.keyboard.press("Space")
    page.evaluate("window.suite.seek(1)")
    page.focus("#filter")
    page.keyboard.type("idm 8003")
    page.keyboard.press("ArrowLeft")
    assert page.input_value("#filter") == "idm 8003" and visible(page) == [("idm", 8003)]
    assert page.evaluate("window.suite.time()") == 1 and not page.evaluate("window.suite.playing()")


def test_the_filters_keep_matching_drives(runs, opened):
    page = opened(runs / "first" / "report.html")
    page.fill("#filter", "idm 8003")
    assert visible(page) == [("idm", 8003)]
    assert page.locator("#drives tbody tr").count() == 1 and "1 of 4" in page.locator("#drives-count").inner_text()
    page.fill("#filter", "nothing like it")
    assert page.locator("#drives tbody tr").count() == 0
    page.fill("#filter", "")
    page.select_option("#filter-planner", "constant-velocity")
    assert {planner for planner, _ in visible(page)} == {"constant-velocity"}
    page.select_option("#filter-planner", "")
    page.select_option("#filter-map", "town-045")
    assert {seed for _, seed in visible(page)} == {8003}
    page.select_option("#filter-map", "")
    page.select_option("#filter-event", "collision")
    assert visible(page) == [("constant-velocity", 8004)]


def test_another_drive_opens_by_its_row_or_dot_with_another_planner_next_to_it(runs, opened, until):
    page = opened(runs / "first" / "report.html")
    page.locator("#drives tbody tr").nth(3).click()
    until(page, "document.getElementById('stages').innerText.startsWith('idm')")
    page.select_option("#other", label="constant-velocity")
    until(page, "window.suite.numStages() === 2")
    page.evaluate("window.suite.seek(3)")
    assert page.evaluate("window.suite.image(0)") != page.evaluate("window.suite.image(1)")
    page.locator("#plot .dot").nth(0).click()
    until(page, "window.suite.numStages() === 1")
    assert page.locator("#plot .dot.current").count() == 1


def test_a_heading_selects_the_metric_of_the_distribution(runs, opened):
    page = opened(runs / "first" / "report.html")
    shown = page.locator("#plot").inner_html()
    page.click("#summary [data-measure=comfort]")
    assert page.evaluate("window.suite.measure()") == "comfort"
    assert page.locator("#plot").inner_html() != shown
    assert "nuPlan" in page.locator("#column-text").inner_text()


def test_layers_can_be_hidden_and_shown_again(runs, opened):
    page = opened(runs / "first" / "report.html")
    page.evaluate("window.suite.seek(2)")
    before = page.evaluate("window.suite.image(0)")
    page.click("#layers [data-layer=traffic]")
    assert page.evaluate("window.suite.image(0)") != before
    page.click("#layers [data-layer=traffic]")
    assert page.evaluate("window.suite.image(0)") == before


def test_two_runs_are_shown_side_by_side_and_play_in_sync(runs, opened, until):
    page = opened(runs / "both" / "compare.html")
    assert page.evaluate("window.suite.numStages()") == 2
    assert page.locator("#summary tbody tr").inner_text().startswith("log-future − constant-velocity")
    titles = page.locator("#stages h3").all_inner_texts()
    assert titles[0].startswith("first:") and titles[1].startswith("second:")
    before = [page.evaluate(f"window.suite.image({index})") for index in (0, 1)]
    page.evaluate("window.suite.play()")
    until(page, "window.suite.time() > 0.5")
    page.evaluate("window.suite.pause()")
    assert all(page.evaluate(f"window.suite.image({index})") != before[index] for index in (0, 1))
    page.fill("#filter", "8003")
    assert [seed for _, seed in visible(page)] == [8003]


def test_no_element_is_wider_than_the_window_in_light_and_dark(runs, opened, fits):
    fits(opened(runs / "first" / "report.html"), (1400, 700), "window.suite.image(0)")
