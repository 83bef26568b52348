"""Culled rays cannot hit traffic, rotating rays in pieces gives equal results, triangles keep their agents' colors."""

import numpy as np
import pytest

pytest.importorskip("embreex")

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.simulation.sensors.agent_meshes import PAINTS, agents_meshes
from transdiffuser_planner.simulation.sensors.ray_culling import Prisms, RayFan
from transdiffuser_planner.simulation.sensors.ray_scene import MISS_M, RayScene, turned


def traffic(rng: np.random.Generator, count: int, within_m: float) -> AgentStates:
    kinds = rng.integers(0, len(AgentClass), count)
    return AgentStates(
        frame_id="map",
        id_N=np.arange(count, dtype=np.uint32),
        class_N=kinds.astype(np.int8),
        x_m_N=rng.uniform(-within_m, within_m, count),
        y_m_N=rng.uniform(-within_m, within_m, count),
        heading_rad_N=rng.uniform(-np.pi, np.pi, count),
        speed_mps_N=np.zeros(count),
        length_m_N=rng.uniform(0.5, 12.0, count),
        width_m_N=rng.uniform(0.5, 2.6, count),
        height_m_N=rng.uniform(1.2, 3.8, count),
        braking_N=np.zeros(count, dtype=np.bool_),
    )


def all_around(rng: np.random.Generator, count: int = 20000) -> np.ndarray:
    vector_R3 = rng.standard_normal((count, 3)) * [1.0, 1.0, 0.3]
    return (vector_R3 / np.linalg.norm(vector_R3, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("seed", range(20))
def test_no_ray_that_hits_an_agent_is_culled(seed: int) -> None:
    rng = np.random.default_rng(seed)
    boxes = traffic(rng, count=1 + seed % 12, within_m=(6.0, 25.0, 80.0)[seed % 3])
    direction_R3, heading_rad = all_around(rng), float(rng.uniform(-np.pi, np.pi))
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    turn_33 = np.asarray([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
    position_3 = np.asarray([0.3, -0.4, rng.choice([0.5, 1.6, 2.8, 5.0])], dtype=np.float32)
    origin_R3 = np.broadcast_to(position_3, direction_R3.shape)
    hits = RayScene(agents_meshes(boxes)).cast(origin_R3, turned(direction_R3, turn_33))
    nearest_R = RayFan(direction_R3).nearest(Prisms.around(boxes), position_3, heading_rad)
    hit_R = hits.triangle_R >= 0
    assert (nearest_R[hit_R] < hits.distance_R[hit_R]).all()
    assert hit_R.any() and (hits.distance_R[~hit_R] == MISS_M).all()


def test_one_distant_box_culls_most_rays() -> None:
    rng = np.random.default_rng(0)
    boxes = traffic(rng, count=1, within_m=1.0)
    boxes.x_m_N[:], boxes.length_m_N[:], boxes.width_m_N[:], boxes.height_m_N[:] = 30.0, 4.5, 1.8, 1.5
    position_3 = np.asarray([0.0, 0.0, 1.6], dtype=np.float32)
    nearest_R = RayFan(all_around(rng)).nearest(Prisms.around(boxes), position_3, 0.0)
    assert 0 < np.isfinite(nearest_R).mean() < 0.05
    assert 25.0 < nearest_R.min() < 27.75  # the near end of the box


def test_hits_of_several_meshes_are_numbered_through() -> None:
    boxes = traffic(np.random.default_rng(1), count=3, within_m=1.0)
    boxes.class_N[:], boxes.id_N[:] = (AgentClass.CAR, AgentClass.TRUCK, AgentClass.PEDESTRIAN), (2, 3, 5)
    boxes.x_m_N[:], boxes.y_m_N[:], boxes.heading_rad_N[:] = (10.0, 0.0, -10.0), 0.0, 0.0
    boxes.y_m_N[1], boxes.length_m_N[:], boxes.width_m_N[:], boxes.height_m_N[:] = 10.0, 4.0, 2.0, 2.0
    scene = RayScene(agents_meshes(boxes))
    above_33 = np.stack([boxes.x_m_N, boxes.y_m_N, np.full(3, 9.0)], axis=-1).astype(np.float32)
    above_33[:, 0] -= 1.0, 1.0, 0.0  # hood and cargo box; the middle of the pedestrian is the head
    hits = scene.cast(above_33, np.asarray([[0.0, 0.0, -1.0]] * 3, dtype=np.float32))
    shown_33 = scene.albedo_F3[hits.triangle_R]
    assert shown_33[1] == pytest.approx(PAINTS[3] * 0.8, abs=1e-6)
    assert shown_33[2] == pytest.approx((0.72, 0.52, 0.42), abs=1e-6)
    assert hits.distance_R[1:] == pytest.approx([7.0, 7.0], abs=1e-5)


def test_rotating_rays_at_once_or_in_pieces_is_equal() -> None:
    rng = np.random.default_rng(0)
    direction_R3, turn_33 = all_around(rng, 40000), np.linalg.qr(rng.standard_normal((3, 3)))[0].astype(np.float32)
    assert np.array_equal(turned(direction_R3, turn_33)[30000:], turned(direction_R3[30000:], turn_33))
    assert turned(direction_R3, turn_33) == pytest.approx(direction_R3 @ turn_33.T, abs=1e-6)
