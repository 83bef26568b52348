"""The report's page in a real Chromium: it plays, seeks, filters and draws without console messages."""

import dataclasses

import pytest

pytest.importorskip("libsumo", reason="the simulator is not installed")
pytest.importorskip("rosbags", reason="bags cannot be read or written without rosbags")

from shared_drives import town_drive

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import NotReady
from transdiffuser_planner.data.bags.bag_reader import BagReader
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages import encode_inputs, encode_outputs
from transdiffuser_planner.messages.decode_inputs import stamp_ns
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
from transdiffuser_planner.replay.runner import ReplayJob, replay
from transdiffuser_planner.reports.drive import drive_to_json
from transdiffuser_planner.reports.drive.page import write_report
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner
from transdiffuser_planner.simulation.message_stream import COLLISION_TOPIC

TOPICS, RIG = (kind.load(path) for kind, path in zip((TopicMap, Rig), preset_files("carla"), strict=True))
CONFIG = PlannerConfig(num_threads=1, num_candidates=12, num_denoise_steps=4)
OUTPUT = encode_outputs.OUTPUT_NAMESPACE
IMAGE = "document.getElementById('bird-eye').toDataURL()"


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    """A simulated drive of 12 s with the planner's own plans, some of them modified."""
    folder = tmp_path_factory.mktemp("bags")
    planner = Planner.load(model_folder("tiny"), RIG, CONFIG)
    drive = town_drive(tmp_path_factory)
    replay(ReplayJob(bag=drive, topics=TOPICS, rig=RIG, out=folder / "planned"), planner)
    return rewritten(folder / "planned", folder / "eventful", modified)


def modified(item, since_start_s):
    """A second of fallbacks from 2 s, one without plans from 4 s, a collision at 6 s, which a good drive does not have."""
    if item.topic == f"{OUTPUT}/status" and 2.0 <= since_start_s < 3.0:
        changed = dataclasses.replace(
            item.message, fallback_level=1, fallback_reason="modified by the test", chosen_candidate=-1
        )
        return [(item.topic, item.type_name, changed)]
    if item.topic.startswith(OUTPUT) and 4.0 <= since_start_s < 5.0:
        if not item.topic.endswith("/status"):
            return []
        silence = NotReady(reason="modified by the test")
        status = encode_outputs.not_ready_status(make_message, stamp_ns(item.message), silence, CONFIG)
        return [(item.topic, item.type_name, status)]
    kept = [(item.topic, item.type_name, item.message)]
    if item.topic == TOPICS.odometry and abs(since_start_s - 6.0) < 0.01:
        contact = encode_inputs.collision(make_message, stamp_ns(item.message), 1)
        kept.append((COLLISION_TOPIC, "carla_msgs/msg/CarlaCollisionEvent", contact))
    return kept


def rewritten(bag, out, change):
    """A copy of a bag in which change(message, seconds since start) gives the replacement of each message."""
    with BagReader(bag) as reader, BagWriter(out) as writer:
        start_ns = None
        for item in reader.messages():
            start_ns = item.log_time_ns if start_ns is None else start_ns
            for topic, kind, message in change(item, (item.log_time_ns - start_ns) * 1e-9):
                writer.write(topic, kind, item.log_time_ns, message)
    return out


@pytest.fixture(scope="module")
def brief(bag, tmp_path_factory):
    """Its first three seconds."""
    out = tmp_path_factory.mktemp("brief") / "brief"
    return rewritten(bag, out, lambda item, s: [(item.topic, item.type_name, item.message)] if s <= 3.0 else [])


@pytest.fixture(scope="module")
def report(bag):
    return write_report(bag, bag / "report.html", "A drive")


@pytest.fixture
def page(opened, report):
    return opened(report)


def image_at(page, time_s):
    page.evaluate("t => window.report.seek(t)", time_s)
    return page.evaluate(IMAGE)


def test_it_opens_with_title_cards_and_facts(page):
    assert page.title().startswith("A drive") and page.inner_text("h1") == "A drive"
    assert page.locator(".card").count() == 6
    assert "Collisions" in page.inner_text("#cards")
    assert page.locator("#facts tr").count() > 8
    assert page.evaluate("window.report.time()") == 0 and not page.evaluate("window.report.playing()")


def test_playback_advances_time_and_view_until_paused(page, until):
    before = page.evaluate(IMAGE)
    page.click("#play")
    until(page, "window.report.time() > 0.5")
    assert page.get_attribute("#play", "aria-label") == "Pause"
    page.click("#play")
    stopped = page.evaluate("window.report.time()")
    assert page.evaluate(IMAGE) != before
    assert not page.evaluate("window.report.playing()")
    until(page, f"performance.now() > {page.evaluate('performance.now()')} + 300")
    assert page.evaluate("window.report.time()") == stopped


def test_playback_stops_at_the_end_and_starts_over(page, until):
    page.select_option("#rate", "4")
    page.evaluate("window.report.seek(window.report.duration - 0.5)")
    page.click("#play")
    until(page, "!window.report.playing()")
    assert page.evaluate("window.report.time() === window.report.duration")
    page.click("#play")
    until(page, "window.report.playing() && window.report.time() < 4")


def test_keys_step_and_play_with_any_focus(page):
    for focus in ("#slider", "#bird-eye", None):
        page.evaluate("window.report.seek(1)")
        if focus:
            page.focus(focus)
        page.keyboard.press("ArrowRight")
        assert page.evaluate("window.report.time()") == pytest.approx(1.1)
        page.keyboard.press("Shift+ArrowLeft")
        assert page.evaluate("window.report.time()") == pytest.approx(0.1)
        page.keyboard.press("End")
        assert page.evaluate("window.report.time() === window.report.duration")
        page.keyboard.press("Home")
        page.keyboard.press("Space")
        assert page.evaluate("window.report.playing()")
        page.keyboard.press("Space")
        assert not page.evaluate("window.report.playing()")


def test_slider_and_curve_seek(page):
    first = image_at(page, 0.0)
    page.locator("#slider").fill("3.5")
    assert page.evaluate("window.report.time()") == pytest.approx(3.5)
    assert "3.5 of" in page.get_attribute("#slider", "aria-valuetext")
    assert page.evaluate(IMAGE) != first
    box = page.locator("#speed-curve").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.75, box["y"] + box["height"] / 2)
    assert 0.6 < page.evaluate("window.report.time() / window.report.duration") < 0.9
    assert page.locator("#tip").is_visible()


def test_events_can_be_listed_selected_and_filtered_by_kind(page):
    def kinds():
        return page.evaluate("window.report.visibleEvents().map(event => event.kind)")

    assert {"fallback", "waiting", "collision"} <= set(kinds())
    page.click(".event:has-text('Collision with')")
    assert page.evaluate("window.report.time()") == pytest.approx(6.0, abs=0.2)
    page.click("#filters [data-kind=fallback]")
    assert set(kinds()) == {"waiting", "collision"}
    assert page.locator("#events li:visible").count() == len(kinds())
    page.click("#filters [data-kind=fallback]")
    assert "fallback" in kinds()


def test_the_state_panel_follows_time(page):
    def source_at(time_s):
        page.evaluate("t => window.report.seek(t)", time_s)
        return page.locator("#now div", has_text="Plan from").locator("dd").inner_text()

    assert source_at(1.5) == "model plan"
    assert source_at(2.5) == "last plan kept"
    assert source_at(4.6) == "modified by the test"


def test_a_hidden_layer_changes_the_view_and_can_be_shown_again(page):
    shown = image_at(page, 1.5)
    for layer in ("map", "lidar", "route", "driven", "traffic", "candidates", "plan"):
        button = page.locator(f"[data-layer={layer}]")
        button.click()
        assert button.get_attribute("aria-pressed") == "false"
        assert page.evaluate(IMAGE) != shown, layer
        button.click()
        assert page.evaluate(IMAGE) == shown, layer


def test_the_view_moves_zooms_and_follows_again(page):
    followed = page.evaluate(IMAGE)
    box = page.locator("#bird-eye").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 280, box["y"] + 340)
    page.mouse.up()
    dragged = page.evaluate(IMAGE)
    assert dragged != followed and page.get_attribute("#follow", "aria-pressed") == "false"
    page.mouse.wheel(0, -300)
    assert page.evaluate(IMAGE) != dragged
    page.keyboard.press("f")
    page.click("#zoom-out")
    near = page.evaluate(IMAGE)
    page.click("#whole")
    assert page.evaluate(IMAGE) != near
    page.click("#follow")
    assert page.evaluate(IMAGE) == near and page.get_attribute("#follow", "aria-pressed") == "true"


def test_cameras_are_ordered_left_to_right_and_change_with_time(page, until):
    images = page.locator("#cameras img")
    assert [images.nth(i).get_attribute("alt") for i in range(3)] == [
        "Camera rgb_left",
        "Camera rgb_front",
        "Camera rgb_right",
    ]
    first = images.nth(1).get_attribute("src")
    page.evaluate("window.report.seek(5)")
    assert images.nth(1).get_attribute("src") != first
    until(page, "[...document.querySelectorAll('#cameras img')].every(i => i.complete && i.naturalWidth > 0)")


def test_the_worst_frames_come_first_and_can_be_selected(page):
    worst = page.evaluate("window.report.worstMoments()")
    assert worst[0]["kind"] == "collision"
    far = [float(frame["text"].split()[1]) for frame in worst if frame["kind"] == "error"]
    assert far and far == sorted(far, reverse=True)
    rows = page.locator("#worst .event")
    assert rows.count() == len(worst)
    top, below = rows.nth(0).bounding_box(), page.locator("#events .event").nth(0).bounding_box()
    assert top["y"] < below["y"]
    rows.nth(len(worst) - 1).click()
    assert page.evaluate("window.report.time()") == pytest.approx(worst[-1]["time_s"], abs=0.01)


def test_the_plan_is_drawn_into_the_camera_images_and_hidden_with_its_layer(page):
    drawn = """() => [...document.querySelectorAll('.camera-plan')].map(canvas => {
      const copy = Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height });
      const context = copy.getContext('2d', { willReadFrequently: true });
      context.drawImage(canvas, 0, 0);
      const pixels = context.getImageData(0, 0, copy.width, copy.height).data;
      let count = 0;
      for (let i = 3; i < pixels.length; i += 4) count += pixels[i] > 0;
      return count / (pixels.length / 4);
    })"""
    page.evaluate("window.report.seek(8)")
    shares = page.evaluate(drawn)
    assert len(shares) == 3 and 0.005 < max(shares) < 0.5
    sizes = page.evaluate(
        "[...document.querySelectorAll('#cameras img, .camera-plan')].map(e => Math.round(e.clientHeight))"
    )
    assert len(set(sizes)) == 1
    page.click("[data-layer=plan]")
    assert max(page.evaluate(drawn)) == 0


def test_no_element_is_wider_than_the_window_in_light_and_dark(page, fits):
    fits(page, (1400, 1100, 700), IMAGE)


@pytest.mark.parametrize(
    ("absent", "disabled"),
    [
        (("/ground_truth/map", "/carla/traffic_lights"), {"map", "lights"}),
        ((OUTPUT,), {"agents", "candidates", "rejected", "plan"}),
        (tuple(TOPICS.images.values()), set()),
        ((f"{OUTPUT}/candidates", f"{OUTPUT}/status"), {"candidates", "rejected"}),
        (None, {"map", "lidar", "route", "traffic", "lights", "agents", "candidates", "rejected", "plan"}),
    ],
    ids=["no map", "no plans", "no cameras", "only trajectories", "only odometry"],
)
def test_a_bag_with_missing_topics_plays_with_those_layers_disabled(brief, opened, tmp_path, absent, disabled, until):
    def without(item, _):
        wanted = item.topic == TOPICS.odometry if absent is None else not item.topic.startswith(absent)
        return [(item.topic, item.type_name, item.message)] if wanted else []

    page = opened(write_report(rewritten(brief, tmp_path / "bag", without), tmp_path / "report.html"))
    found = page.locator("#layers button:disabled").evaluate_all("all => all.map(button => button.dataset.layer)")
    assert set(found) >= disabled
    assert image_at(page, 0.5) != image_at(page, 2.5)
    page.evaluate("window.report.seek(0); window.report.play()")
    until(page, "window.report.time() > 0.3")


def test_a_long_drive_shows_the_newest_kept_candidates(brief, opened, tmp_path, monkeypatch):
    monkeypatch.setattr(drive_to_json, "PLAN_BUDGET_BYTES", 6_000)
    path = write_report(brief, tmp_path / "report.html")
    assert '"candidates":null' in path.read_text()
    page = opened(path)
    for time_s in (0.9, 1.1, 1.3, 1.5):
        shown = image_at(page, time_s)
        page.click("[data-layer=candidates]")
        assert page.evaluate(IMAGE) != shown
        page.click("[data-layer=candidates]")
