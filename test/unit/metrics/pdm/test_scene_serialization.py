"""Scenes as nested lists: written scenes can be read, an error is one line, the rest is still read."""

import json

import numpy as np
import pytest
from scoring_scenes import agent, rectangle, scene, straight_plan, together

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.metrics.pdm.epdms import score_epdms
from transdiffuser_planner.metrics.pdm.scene import PastMotion, RedLight, Scene
from transdiffuser_planner.metrics.pdm.scene_serialization import read_scenes, scene_from_mapping, scene_to_mapping


def full_scene() -> Scene:
    late = agent(20.0, 3.5, velocity=(-4.0, 0.0), token="late")
    late.valid_NS[0, :5] = False
    return scene(
        agents=together(agent(30.0, velocity=(5.0, 0.0)), late),
        red_lights=(RedLight(token="light", ring_C2=rectangle(30.0, 40.0, -1.75, 1.75), red_S=np.arange(41) > 20),),
        human_plan_T3=straight_plan(9.0)[0],
        past=PastMotion(
            stamp_us_H=np.arange(-3, 1) * 500_000, heading_H=np.zeros(4), acceleration_H2=np.full((4, 2), 0.1)
        ),
        speed_limit_mps=13.0,
    )


def test_a_scene_survives_json() -> None:
    original = full_scene()
    mapping = json.loads(json.dumps(scene_to_mapping(original)))
    back = scene_from_mapping(mapping)
    assert scene_to_mapping(back) == scene_to_mapping(original)
    plans = np.concatenate([straight_plan(9.0), straight_plan(7.0, 1.0)])
    one, other = score_epdms(original, plans), score_epdms(back, plans)
    np.testing.assert_array_equal(one.score_M, other.score_M)
    assert one.reasons == other.reasons


def test_a_closed_ring_is_opened() -> None:
    mapping = scene_to_mapping(scene())
    mapping["areas"][0]["ring"].append(mapping["areas"][0]["ring"][0])
    assert len(scene_from_mapping(mapping).areas[0].ring_C2) == 4


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("ego", "pose"), None, "ego.pose: expected a value, got nothing"),
        (("ego", "steering_rad"), "left", "ego.steering_rad: expected a number, got 'left'"),
        (("agents", 0, "length_m"), None, "agents[other].length_m: expected a value, got nothing"),
        (("agents", 0, "kind"), "tram", "agents[other].kind: expected one of vehicle, pedestrian,"),
        (
            ("agents", 0, "poses"),
            [[0.0, 0.0, 0.0]] * 9,
            "agents[other]: expected 51 poses and velocities, got 9 poses and 51 velocities",
        ),
        (("agents", 0, "velocities"), [[0.0]] * 51, "agents[other].velocities: expected rows of 2, got rows of 1"),
        (("areas",), [], "areas: expected at least one polygon, got an empty map"),
        (("areas",), "none", "areas: expected a list, got str"),
        (("center_line",), [[0.0, 1.0], [2.0]], "center_line: expected numbers in rows of equal length"),
        (("ego",), 3, "ego: expected a mapping, got int"),
    ],
)
def test_a_wrong_field_is_named(path: tuple[str | int, ...], value: object, message: str) -> None:
    mapping = json.loads(json.dumps(scene_to_mapping(full_scene())))
    inner = mapping
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(EvaluationError) as caught:
        scene_from_mapping(mapping)
    assert str(caught.value).startswith(f"scene straight: {message}")
    assert "\n" not in str(caught.value)


def test_reading_continues_after_a_bad_scene() -> None:
    good, bad = scene_to_mapping(scene()), scene_to_mapping(scene())
    del bad["center_line"], bad["name"]
    result = read_scenes([good, bad, 7, good])
    assert len(result.scenes) == 2
    assert result.problems == (
        "scene #1: center_line: expected a value, got nothing",
        "scene #2: scene: expected a mapping, got int",
    )
