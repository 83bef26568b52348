"""Scores of sweeps: verdicts, recall at a precision, road."""

import numpy as np
import pytest

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.contract import TINY, BevClass
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.evaluation.real_data.sweeps import (
    ON_ROAD,
    Seen,
    Sweep,
    SweepScores,
    cells_within,
    points_in_boxes,
)
from transdiffuser_planner.evaluation.real_data.sweeps_of_log import drivable_cells
from transdiffuser_planner.planning.perception.detection_decoder import Detections


def boxes(*rows: tuple[float, float, AgentClass]) -> AgentStates:
    x, y, kind = (np.asarray(column) for column in zip(*rows, strict=True))
    count = len(rows)
    return AgentStates(
        frame_id="base_link", id_N=np.arange(count, dtype=np.uint32), class_N=kind.astype(np.int8),
        x_m_N=x.astype(float), y_m_N=y.astype(float), heading_rad_N=np.zeros(count), speed_mps_N=np.zeros(count),
        length_m_N=np.full(count, 4.0), width_m_N=np.full(count, 2.0), height_m_N=np.full(count, 1.5),
        braking_N=np.zeros(count, dtype=bool),
    )  # fmt: skip


def found(*rows: tuple[float, float, float, AgentClass]) -> Detections:
    x, y, score, kind = (np.asarray(column) for column in zip(*rows, strict=True))
    return Detections(
        class_D=kind.astype(np.int8), score_D=score.astype(float), pose_D3=np.stack([x, y, 0.0 * x], axis=-1),
        length_m_D=np.full(len(x), 4.0), width_m_D=np.full(len(x), 2.0),
    )  # fmt: skip


def points_on(*centers: tuple[float, float]) -> np.ndarray:
    """Twelve raised points on each center."""
    return np.repeat(np.asarray([[x, y, 1.0] for x, y in centers], dtype=np.float32), 12, axis=0)


CAR, TRUCK, PERSON = AgentClass.CAR, AgentClass.TRUCK, AgentClass.PEDESTRIAN
TRUTH = boxes((10.0, 0.0, CAR), (15.0, 5.0, TRUCK), (5.0, 5.0, PERSON), (20.0, -5.0, CAR), (29.0, 0.0, CAR))
SWEEP = Sweep(name="s", points_N3=points_on((10.0, 0.0), (15.0, 5.0), (29.0, 0.0)), boxes=TRUTH, road_LL=None)
BEV = np.zeros((TINY.bev_cells, TINY.bev_cells), dtype=np.uint8)


def test_detections_are_right_false_or_not_counted() -> None:
    detections = found(
        (11.0, 0.5, 0.9, CAR),  # right
        (10.5, 0.0, 0.8, CAR),  # the same car again
        (5.0, 5.0, 0.7, CAR),  # a person is no vehicle
        (20.0, -5.5, 0.6, CAR),  # a car without points need not be found
        (15.0, 6.5, 0.5, CAR),  # a lorry found as a car counts
        (29.0, 0.0, 0.4, CAR),  # too far
        (0.0, 9.0, 0.3, PERSON),
    )
    scores = SweepScores()
    verdict = scores.add(SWEEP, Seen(detections=detections, bev_LL=BEV, road_LL=np.isin(BEV, ON_ROAD)), TINY)
    assert verdict.tolist() == [1, 0, 0, -1, 1, -1, -1]
    assert scores.vehicles == 2
    assert scores.precision_recall(0.6) == (pytest.approx(1 / 3), 0.5)
    assert scores.recall_at_precision(0.5) == (1.0, 0.5)
    assert scores.recall_at_precision(0.9) == (0.5, 0.9)


def test_a_precision_that_is_never_reached_gives_no_recall() -> None:
    scores = SweepScores()
    scores.add(SWEEP, Seen(detections=found((0.0, 9.0, 0.9, CAR)), bev_LL=BEV, road_LL=np.isin(BEV, ON_ROAD)), TINY)
    assert scores.recall_at_precision(0.5) == (0.0, 1.0)


def test_road_is_compared_within_the_range_only() -> None:
    ego = EgoState(
        stamp_ns=0, frame_id="map", x_m=100.0, y_m=50.0, heading_rad=np.pi / 2.0, vx_mps=0.0, yaw_rate_radps=0.0
    )
    square = np.asarray([[96.0, 10.0], [104.0, 10.0], [104.0, 90.0], [96.0, 90.0]])  # 8 m wide, along the heading
    road = drivable_cells([(7, square), (0, square + 50.0)], ego, TINY)
    assert road.sum() == pytest.approx(8.0 * 64.0, rel=0.05) and road[:, 32].all() and not road[:, 40].any()
    sweep = Sweep(name="s", points_N3=SWEEP.points_N3, boxes=TRUTH, road_LL=road)
    scores = SweepScores()
    bev = np.where(road, BevClass.ROAD, BevClass.BACKGROUND).astype(np.uint8)
    bev[0] = BevClass.ROAD
    scores.add(sweep, Seen(detections=found((0.0, 9.0, 0.9, CAR)), bev_LL=bev, road_LL=np.isin(bev, ON_ROAD)), TINY)
    values = scores.to_json()
    assert values["road_iou"] == 1.0 and values["road_found"] == values["road_true"]
    assert cells_within(TINY, 25.0).sum() == pytest.approx(np.pi * 25.0**2, rel=0.02)


def test_points_on_the_ground_do_not_count() -> None:
    points = points_on((10.0, 0.0))
    assert points_in_boxes(points, TRUTH).tolist() == [12, 0, 0, 0, 0]
    points[:, 2] = 0.1
    assert not points_in_boxes(points, TRUTH).any()
