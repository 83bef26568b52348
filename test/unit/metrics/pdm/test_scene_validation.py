"""Errors of a scene are one line with scene, field, expected and got."""

import dataclasses
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_scenes import agent, area, center_line, ego, rectangle, reference, scene, straight_plan

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.scene import Area, AreaKind, PastMotion, RedLight
from transdiffuser_planner.metrics.pdm.scene_validation import SceneError, first_crossing

BOW_TIE = np.asarray([[0.0, 0.0], [2.0, 2.0], [2.0, 0.0], [0.0, 2.0]])


def nan_agent() -> Any:
    other = agent(10.0)
    other.pose_NS3[0, 3, 1] = np.nan
    return other


BAD = {
    "an empty map": (lambda: scene(areas=()), "areas: expected at least one polygon, got an empty map"),
    "a crossing polygon": (
        lambda: scene(areas=(Area(token="bow", kind=AreaKind.LANE, ring_C2=BOW_TIE),)),
        "areas[bow].ring_C2: expected a polygon that does not cross itself, got edges 0 and 2 cross",
    ),
    "a polygon of two corners": (
        lambda: scene(areas=(Area(token="thin", kind=AreaKind.LANE, ring_C2=BOW_TIE[:2]),)),
        "areas[thin].ring_C2: expected three or more corners (C, 2), got (2, 2)",
    ),
    "an agent without a box": (
        lambda: scene(agents=agent(9.0, size=(0.0, 2.0))),
        "agents[other].size_N2: expected length and width above 0, got [0.0, 2.0]",
    ),
    "an agent that is NaN": (
        lambda: scene(agents=nan_agent()),
        "agents[other].pose_NS3: expected finite values where valid, got NaN or inf",
    ),
    "agents that end too early": (
        lambda: scene(agents=dataclasses.replace(agent(9.0), pose_NS3=np.zeros((1, 20, 3)))),
        "agents.pose_NS3: expected 41 or more steps (N, S, 3), got (1, 20, 3)",
    ),
    "an ego that is NaN": (
        lambda: scene(ego=ego(float("nan"))),
        "ego.velocity_2: expected finite values, got NaN or inf",
    ),
    "a short reference": (
        lambda: scene(reference_S3=reference()[:40]),
        "reference_S3: expected at least 41 poses (S, 3) every 0.1 s, got (40, 3)",
    ),
    "unsorted times": (
        lambda: scene(
            past=PastMotion(
                stamp_us_H=np.asarray([0, 500_000, 400_000]), heading_H=np.zeros(3), acceleration_H2=np.zeros((3, 2))
            )
        ),
        "past.stamp_us_H: expected times in increasing order, got unsorted or repeated times",
    ),
    "a center line of one point": (
        lambda: scene(center_line_K3=center_line()[:1]),
        "center_line_K3: expected two or more points (K, 3), got (1, 3)",
    ),
    "a red light of the wrong length": (
        lambda: scene(red_lights=(RedLight(token="l", ring_C2=rectangle(0, 1, 0, 1), red_S=np.ones(7, dtype=bool)),)),
        "red_lights[l].red_S: expected 1 or at least 41 values, got (7,)",
    ),
    "fewer kinds than agents": (
        lambda: scene(agents=dataclasses.replace(agent(9.0), kind_N=())),
        "agents.kind_N: expected 1 kinds, got 0",
    ),
    "validity that is no mask": (
        lambda: scene(agents=dataclasses.replace(agent(9.0), valid_NS=np.ones((1, 51)))),
        "agents.valid_NS: expected bool (1, 51), got float64 (1, 51)",
    ),
    "velocities of the wrong shape": (
        lambda: scene(agents=dataclasses.replace(agent(9.0), velocity_NS2=np.zeros((1, 51, 3)))),
        "agents.velocity_NS2: expected (1, 51, 2), got (1, 51, 3)",
    ),
    "an ego pose of two numbers": (
        lambda: scene(ego=dataclasses.replace(ego(), pose_3=np.zeros(2))),
        "ego.pose_3: expected shape (3,), got (2,)",
    ),
    "a polygon with NaN": (
        lambda: scene(areas=(Area(token="hole", kind=AreaKind.LANE, ring_C2=BOW_TIE * np.nan),)),
        "areas[hole].ring_C2: expected finite values, got NaN or inf",
    ),
    "a past of one frame": (
        lambda: scene(
            past=PastMotion(stamp_us_H=np.asarray([0]), heading_H=np.zeros(1), acceleration_H2=np.zeros((1, 2)))
        ),
        "past.stamp_us_H: expected two or more times, got (1,)",
    ),
    "a human plan without an interval": (
        lambda: scene(human_plan_T3=straight_plan(9.0)[0], human_interval_s=0.0),
        "human_plan_T3: expected an interval between poses of 0.01 to 4 s, got 0 s",
    ),
    "a speed limit of nothing": (
        lambda: scene(speed_limit_mps=0.0),
        "speed_limit_mps: expected a speed above 0 or None, got 0.0",
    ),
    "a short human plan": (
        lambda: scene(human_plan_T3=straight_plan(9.0)[0, :5]),
        "human_plan_T3: expected poses (M, 8 or more, 3) every 0.5 s, got (1, 5, 3)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_scene_is_refused_in_one_line(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(EvaluationError) as caught:
        make()
    assert str(caught.value) == f"scene straight: {message}"


def test_a_scene_error_keeps_its_line_between_processes() -> None:
    error = SceneError("one", "areas", "at least one polygon", "x" * 200)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_plans_of_the_wrong_length_are_refused() -> None:
    with pytest.raises(EvaluationError, match=r"^scene straight: plans_MT3: expected poses \(M, 8 or more, 3\)"):
        score_pdms(scene(), straight_plan(10.0)[:, :7])


def test_plans_with_nan_are_refused_by_number() -> None:
    plans = np.repeat(straight_plan(10.0), 3, axis=0)
    plans[1, 2, 0] = np.nan
    with pytest.raises(EvaluationError, match=r"plans_MT3\[1\]: expected finite poses, got NaN or inf$"):
        score_pdms(scene(), plans)


def test_two_agents_of_one_name_are_refused() -> None:
    twice = agent(9.0)
    doubled = dataclasses.replace(
        twice,
        token_N=("other", "other"),
        kind_N=twice.kind_N * 2,
        size_N2=np.repeat(twice.size_N2, 2, axis=0),
        pose_NS3=np.repeat(twice.pose_NS3, 2, axis=0),
        velocity_NS2=np.repeat(twice.velocity_NS2, 2, axis=0),
        valid_NS=np.repeat(twice.valid_NS, 2, axis=0),
    )
    with pytest.raises(EvaluationError, match=r"agents.token_N: expected different names, got the same name twice$"):
        scene(agents=doubled)


def test_rings_that_merely_touch_themselves_are_accepted() -> None:
    pinched = np.asarray([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0], [2.0, 2.0], [0.0, 2.0], [1.0, 1.0]])
    far = area("a", AreaKind.LANE, 1e6, 1e6 + 1.0, 0.0, 3.0).ring_C2
    assert first_crossing([pinched, far, pinched + 1e6]) is None
    assert first_crossing([]) is None


def test_the_crossing_ring_and_its_edges_are_found_among_others() -> None:
    square = rectangle(0.0, 2.0, 0.0, 2.0)
    assert first_crossing([square, square, BOW_TIE + 1e6]) == (2, 0, 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_crossings_are_found_as_by_comparing_every_pair(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ring = rng.uniform(0.0, 10.0, (int(rng.integers(4, 9)), 2))
    ends = np.roll(ring, -1, axis=0)

    def left(a: np.ndarray, b: np.ndarray, p: np.ndarray) -> bool:
        return bool((b[0] - a[0]) * (p[1] - a[1]) > (b[1] - a[1]) * (p[0] - a[0]))

    crosses = any(
        left(ring[i], ends[i], ring[j]) != left(ring[i], ends[i], ends[j])
        and left(ring[j], ends[j], ring[i]) != left(ring[j], ends[j], ends[i])
        for i in range(len(ring))
        for j in range(i)
        if (i - j) % len(ring) not in (1, len(ring) - 1)
    )
    assert (first_crossing([ring]) is not None) is crosses
