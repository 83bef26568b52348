"""PDM-Closed: proposals and selection, on the straight road of scoring_scenes."""

import numpy as np
import pytest
from scoring_scenes import FRONT_M, REAR_M, agent, ego, rectangle, scene, together

from transdiffuser_planner.metrics.pdm.geometry.distances import rings_near_line
from transdiffuser_planner.metrics.pdm.geometry.strtree_order import tree_order
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.prepared_scene import prepare
from transdiffuser_planner.metrics.pdm.reference_planner.forecast import forecast
from transdiffuser_planner.metrics.pdm.reference_planner.idm_proposals import (
    corridor_line,
    intelligent_driver,
    make_path,
)
from transdiffuser_planner.metrics.pdm.reference_planner.pdm_closed import ScoreVersion, plan_reference, with_reference
from transdiffuser_planner.metrics.pdm.scene import AgentKind, RedLight


def test_on_an_empty_road_the_fastest_proposal_on_the_center_line_is_selected() -> None:
    for version in ScoreVersion:
        plan = plan_reference(scene(speed_limit_mps=12.0), version)
        assert plan.proposals_QS3.shape == (15, 41, 3)
        assert plan.chosen == 4
        np.testing.assert_allclose(plan.pose_S3[:, 1:], 0.0, atol=1e-9)
        assert 35.0 < plan.pose_S3[-1, 0] < 48.0


def test_proposals_keep_their_offsets() -> None:
    proposals = plan_reference(scene()).proposals_QS3
    for block, offset in enumerate((0.0, -1.0, 1.0)):
        np.testing.assert_allclose(proposals[5 * block : 5 * block + 5, :, 1], offset, atol=1e-9)


def test_it_stops_behind_a_stationary_car() -> None:
    plan = plan_reference(scene(agents=agent(FRONT_M + 25.0 + 2.0), ego=ego(8.0)))
    assert plan.pose_S3[-1, 0] < 24.0
    scores = score_pdms(with_reference(scene(agents=agent(FRONT_M + 25.0 + 2.0), ego=ego(8.0))), _as_plan(plan.pose_S3))
    assert scores.no_at_fault_collision_M[0] == 1.0


def _as_plan(pose_S3: np.ndarray) -> np.ndarray:
    return pose_S3[None, 5::5]  # the ego starts at the origin, heading along x


def test_it_stops_before_a_red_light() -> None:
    red = RedLight(token="light", ring_C2=rectangle(FRONT_M + 25.0, 60.0, -1.75, 1.75), red_S=np.ones(1, dtype=bool))
    plan = plan_reference(scene(ego=ego(8.0), red_lights=(red,)))
    assert plan.pose_S3[-1, 0] < 25.0
    green = RedLight(token="light", ring_C2=red.ring_C2, red_S=np.zeros(1, dtype=bool))
    assert plan_reference(scene(ego=ego(8.0), red_lights=(green,))).pose_S3[-1, 0] > 27.0


def test_it_leaves_a_red_lane_that_it_already_occupies() -> None:
    # Its end may even be flush with the rear bumper; slightly further, and the ego is not inside.
    for start, leaves in ((-REAR_M, True), (-REAR_M + 1e-3, False)):
        red = RedLight(token="light", ring_C2=rectangle(start, 60.0, -1.75, 1.75), red_S=np.ones(1, dtype=bool))
        end = plan_reference(scene(ego=ego(0.0), red_lights=(red,), speed_limit_mps=12.0)).proposals_QS3[4, -1, 0]
        assert bool(end > 5.0) is leaves


def test_with_reference_fills_the_scene() -> None:
    bare = scene(reference_S3=None)
    assert with_reference(bare).reference_S3.shape == (41, 3)


def test_agents_keep_their_speed_and_objects_are_stationary() -> None:
    view = forecast(prepare(scene(agents=agent(30.0, velocity=(5.0, 0.0)))))
    x = view.agents.boxes.center_X2[0, :, 0]
    np.testing.assert_allclose(x[[0, 1, 2, 3, 40]], [30.0, 30.0, 31.0, 31.0, 50.0])
    cone = forecast(prepare(scene(agents=agent(30.0, kind=AgentKind.TRAFFIC_CONE))))
    np.testing.assert_allclose(cone.agents.boxes.center_X2[0, :, 0], 30.0)


def test_a_car_that_rolls_backward_is_forecast_backward() -> None:
    view = forecast(prepare(scene(agents=agent(30.0, velocity=(-2.0, 0.0)))))
    np.testing.assert_allclose(view.agents.boxes.center_X2[0, 40, 0], 22.0)


def test_agents_that_touch_the_ego_or_are_far_away_are_skipped() -> None:
    assert len(forecast(prepare(scene(agents=agent(3.0)))).agents) == 0
    assert len(forecast(prepare(scene(agents=agent(150.0)))).agents) == 0


def test_the_driver_speeds_up_on_a_free_road_and_brakes_behind_a_leader() -> None:
    free = np.asarray([[1000.0, 0.0, 2.5]])
    _, speed = intelligent_driver(np.zeros(1), np.zeros(1), free, np.asarray([10.0]))
    assert speed[0] == pytest.approx(0.15, abs=1e-3)  # 1.5 m/s^2 for a tenth of a second
    _, speed = intelligent_driver(np.zeros(1), np.asarray([10.0]), free, np.asarray([10.0]))
    assert speed[0] == pytest.approx(10.0, abs=1e-3)
    _, speed = intelligent_driver(np.zeros(1), np.asarray([10.0]), np.asarray([[5.0, 0.0, 0.0]]), np.asarray([10.0]))
    assert speed[0] == pytest.approx(9.7)  # 3 m/s^2


def test_the_corridor_has_square_ends() -> None:
    line = np.asarray([[0.0, 0.0], [10.0, 0.0]])
    corner = rectangle(10.9, 11.5, 0.9, 1.5)  # beyond the end, in the corner of the square cap
    beyond = rectangle(11.1, 11.5, 0.0, 0.5)
    alongside = rectangle(4.0, 5.0, 1.0, 2.0)
    off = rectangle(4.0, 5.0, 1.01, 2.0)
    around = rectangle(-5.0, 15.0, -5.0, 5.0)
    near = rings_near_line(np.stack([corner, beyond, alongside, off, around]), line, 1.0)
    np.testing.assert_array_equal(near, [True, False, True, False, True])


def test_the_corridor_near_the_end_of_the_path_is_shortened() -> None:
    path = make_path(np.asarray([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0], [20.0, 0.0, 0.0]]), 0.0)
    np.testing.assert_allclose(corridor_line(path, 2.0, 50.0), [[10.0, 0.0], [20.0, 0.0]])
    np.testing.assert_allclose(corridor_line(path, 12.0, 5.0), [[12.0, 0.0], [17.0, 0.0]])
    np.testing.assert_allclose(corridor_line(path, 15.0, 50.0), [[15.0, 0.0], [20.0, 0.0]])


def test_it_stops_behind_two_equally_near_obstacles() -> None:
    pair = [agent(FRONT_M + 27.0, y, token=token) for y, token in ((0.9, "left"), (-0.9, "right"))]
    assert plan_reference(scene(agents=together(*pair), ego=ego(8.0))).pose_S3[-1, 0] < 24.0


def test_paths_are_offset_from_the_center_line_and_end_with_it() -> None:
    path = make_path(np.asarray([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]]), 1.0)
    np.testing.assert_allclose(path.poses_at(np.asarray([4.0, 99.0])), [[4.0, 1.0, 0.0], [10.0, 1.0, 0.0]])


def test_few_obstacles_are_listed_from_low_to_high_y() -> None:
    bounds = np.asarray([[0.0, y, 1.0, y + 1.0] for y in (5.0, 1.0, 3.0)])
    assert tree_order(bounds) == [1, 2, 0]
    assert tree_order(np.zeros((0, 4))) == []
    many = np.asarray([[x, 0.0, x + 1.0, 1.0] for x in np.arange(25.0)])
    assert sorted(tree_order(many)) == list(range(25))


def test_the_rear_of_the_ego_is_where_the_tests_assume() -> None:
    behind = agent(-REAR_M - 2.0 - 0.01)
    assert len(forecast(prepare(scene(agents=behind))).agents) == 1
    assert len(forecast(prepare(scene(agents=agent(-REAR_M - 2.0)))).agents) == 0
