"""PDM-Closed's proposals: an IDM driver on the center line and 1 m to either side, at five speeds. B = 5 speeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.metrics.pdm.first_contact import centroid
from transdiffuser_planner.metrics.pdm.geometry.boxes import PACIFICA, ego_boxes
from transdiffuser_planner.metrics.pdm.geometry.distances import between_boxes, boxes_to_ring, rings_near_line
from transdiffuser_planner.metrics.pdm.geometry.strtree_order import tree_order
from transdiffuser_planner.metrics.pdm.lqr_simulation import start_pose
from transdiffuser_planner.metrics.pdm.reference_planner.forecast import UPDATE_STEPS, Forecast
from transdiffuser_planner.metrics.pdm.scene import NUM_STEPS, STEP_S
from transdiffuser_planner.metrics.pdm.subscores.progress import position_along

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

OFFSETS_M: Final = (0.0, -1.0, 1.0)
SPEED_SHARES_B: Final = np.asarray([0.2, 0.4, 0.6, 0.8, 1.0])
FALLBACK_SPEED_MPS = 15.0
MIN_GAP_M, HEADWAY_S, MAX_ACCELERATION_MPS2, MAX_BRAKING_MPS2, EXPONENT = 1.0, 1.5, 1.5, 3.0, 10
CORRIDOR_STEPS = 50
"""Obstacles are searched as far as the fastest proposal gets in this number of steps."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """Path to follow: points x, y, unwrapped heading (K, 3) and distance from its start in meters (K,)."""

    point_K3: FloatArray
    along_K: FloatArray

    def poses_at(self, distance_B: FloatArray) -> FloatArray:
        """Poses (B, 3) at distances from the start in meters, clamped to the ends."""
        distance_B = np.clip(distance_B, 1e-5, self.along_K[-1])
        upper = np.clip(np.searchsorted(self.along_K, distance_B), 1, len(self.along_K) - 1)
        low, high = self.point_K3[upper - 1], self.point_K3[upper]
        span = (self.along_K[upper] - self.along_K[upper - 1])[:, None]
        pose = (high - low) / span * (distance_B - self.along_K[upper - 1])[:, None] + low
        pose[:, 2] = np.arctan2(np.sin(pose[:, 2]), np.cos(pose[:, 2]))
        return np.asarray(pose)


def make_path(center_line_K3: FloatArray, offset_m: float) -> Path:
    """Offset the center line (K, 3) to its left by offset_m."""
    aside = center_line_K3[:, 2] + np.pi / 2.0
    point_K2 = center_line_K3[:, :2] + offset_m * np.stack([np.cos(aside), np.sin(aside)], axis=-1)
    step_K2 = np.diff(point_K2, axis=0)
    return Path(
        point_K3=np.concatenate([point_K2, np.unwrap(center_line_K3[:, 2])[:, None]], axis=-1),
        along_K=np.concatenate([[0.0], np.cumsum(np.sqrt(step_K2[:, 0] ** 2 + step_K2[:, 1] ** 2))]),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Obstacles:
    """Obstacles on one path, every 0.2 s (U updates).

    Attributes:
        agent_UN: Agents in the corridor.
        agent_along_UN: Their distance along the path, meters.
        light_L: Red lights in the corridor.
        light_along_L: Their distance along the path, meters.
    """

    agent_UN: NDArray[np.bool_]
    agent_along_UN: FloatArray
    light_L: NDArray[np.bool_]
    light_along_L: FloatArray


def _ring_center(ring_C2: FloatArray) -> FloatArray:
    return np.asarray(centroid(ring_C2))


def corridor_line(path: Path, start_m: float, length_m: float) -> FloatArray:
    """The path's points (K, 2) within the corridor, or the corridor's ends if it contains fewer than two."""
    low, high = np.clip([start_m, start_m + length_m], 0.0, path.along_K[-1])
    inside = (path.along_K >= low) & (path.along_K <= high)
    if inside.sum() > 1:
        return path.point_K3[inside, :2]
    ends = [[np.interp(at, path.along_K, path.point_K3[:, axis]) for axis in (0, 1)] for at in (low, high)]
    between = inside & (path.along_K > low) & (path.along_K < high)
    return np.concatenate([ends[:1], path.point_K3[between, :2], ends[1:]])


def find_obstacles(path: Path, start_m: float, length_m: float, view: Forecast) -> Obstacles:
    """Find agents and red lights that touch the corridor ahead."""
    line_K2 = corridor_line(path, start_m, length_m)
    reach = PACIFICA.width_m / 2.0
    corner_NU42 = view.agents.boxes.at(slice(None), slice(None, None, UPDATE_STEPS)).corners()
    count, updates = corner_NU42.shape[:2]
    near = np.zeros(count * updates, dtype=bool)
    along = np.zeros(count * updates)
    if count:
        rings = corner_NU42.reshape(-1, 4, 2)
        low, high = line_K2.min(axis=0) - 2.0 * reach, line_K2.max(axis=0) + 2.0 * reach
        close = np.flatnonzero(((rings.max(axis=1) >= low) & (rings.min(axis=1) <= high)).all(axis=1))
        if len(close):
            near[close] = rings_near_line(rings[close], line_K2, reach)
            along[close] = position_along(path.point_K3[:, :2], rings[close].mean(axis=1))
    lights = [light.ring_C2 for light in view.lights]
    return Obstacles(
        agent_UN=near.reshape(count, updates).T,
        agent_along_UN=along.reshape(count, updates).T,
        light_L=np.asarray([rings_near_line(ring[None], line_K2, reach)[0] for ring in lights], dtype=bool),
        light_along_L=np.asarray(
            [position_along(path.point_K3[:, :2], _ring_center(ring)[None])[0] for ring in lights], dtype=np.float64
        ),
    )


def intelligent_driver(
    along_B: FloatArray, speed_B: FloatArray, lead_B3: FloatArray, target_B: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Advance the intelligent driver model by 0.1 s.

    Args:
        along_B: Distance along the path, meters.
        speed_B: Speed, m/s.
        lead_B3: Distance along the path (m), speed (m/s) and rear length (m) of the leader.
        target_B: Target speed, m/s.

    Returns:
        Distance along the path and speed one step later.
    """
    root = 2.0 * np.sqrt(MAX_ACCELERATION_MPS2 * MAX_BRAKING_MPS2)
    desired_gap = MIN_GAP_M + speed_B * HEADWAY_S + speed_B * (speed_B - lead_B3[:, 1]) / root
    gap = np.maximum(lead_B3[:, 0] - along_B - lead_B3[:, 2], MIN_GAP_M)
    change = MAX_ACCELERATION_MPS2 * (1.0 - (speed_B / target_B) ** EXPONENT - (desired_gap / gap) ** 2)
    change = np.clip(change, -MAX_BRAKING_MPS2, MAX_ACCELERATION_MPS2)
    return along_B + STEP_S * speed_B, speed_B + STEP_S * change


def _leaders(path: Path, obstacles: Obstacles, view: Forecast, step: int, along_B: FloatArray) -> FloatArray:
    """Distance along the path, speed and rear length (B, 3) of the leader of each proposal.

    As in the devkit one row serves all: a value that a proposal does not set, such as the speed of a red light, keeps the
    value of the previous proposal.
    """
    update = step // UPDATE_STEPS
    agents = np.flatnonzero(obstacles.agent_UN[update]) if len(view.agents) else np.zeros(0, dtype=np.int64)
    lights = np.flatnonzero(obstacles.light_L)
    along_Q = np.concatenate([obstacles.agent_along_UN[update][agents], obstacles.light_along_L[lights]])
    lead, rows = np.zeros(3), np.zeros((len(along_B), 3))
    if len(along_Q) and (along_Q[None] > along_B[:, None]).any():
        pose_B3 = path.poses_at(along_B)
        ego = ego_boxes(pose_B3)
        others = view.agents.boxes.at(agents, step)
        distance_BQ = np.concatenate(
            [between_boxes(ego, others)]
            + [boxes_to_ring(ego, view.lights[light].ring_C2)[:, None] for light in lights],
            axis=1,
        )
    for row, along in enumerate(along_B):
        ahead = np.flatnonzero(along_Q > along)
        if len(ahead):
            tied = ahead[distance_BQ[row, ahead] == distance_BQ[row, ahead].min()]
            nearest = int(tied[0]) if len(tied) == 1 else _first_listed(view, step, agents, lights, tied)
            lead[0] = along + distance_BQ[row, nearest]
            if nearest < len(agents):
                agent = agents[nearest]
                turn = view.heading_N[agent] - pose_B3[row, 2]
                lead[1] = view.agents.speed_N[agent] * np.cos(turn) if view.agents.moves_N[agent] else 0.0
        else:
            lead[0], lead[2] = path.along_K[-1], PACIFICA.length_m / 2.0
        rows[row] = lead
    return rows


def _first_listed(view: Forecast, step: int, agents: IntArray, lights: IntArray, tied: IntArray) -> int:
    """First of equally near obstacles in the order of the devkit's tree."""
    corner = np.concatenate([boxes.at(slice(None), step).corners() for boxes in (view.agents.boxes, view.ignored)])
    bounds = np.concatenate([corner.min(axis=1), corner.max(axis=1)], axis=1)
    place = {leaf: at for at, leaf in enumerate(tree_order(np.concatenate([bounds, view.light_bounds_L4])))}
    leaves = np.concatenate([agents, len(corner) + lights])
    return int(min(tied, key=lambda index: place[int(leaves[index])]))


def propose(view: Forecast) -> FloatArray:
    """All proposals (15, 41, 3): for each offset each speed; poses every 0.1 s in the map frame."""
    scene = view.ready.scene
    limit = FALLBACK_SPEED_MPS if scene.speed_limit_mps is None else scene.speed_limit_mps
    target_B = SPEED_SHARES_B * limit
    length_m = float(np.abs(target_B).max()) * CORRIDOR_STEPS * STEP_S
    proposals = []
    for offset in OFFSETS_M:
        path = make_path(scene.center_line_K3, offset)
        start = float(position_along(path.point_K3[:, :2], start_pose(scene.ego)[None, :2])[0])
        obstacles = find_obstacles(path, start, length_m, view)
        along_B = np.full(len(target_B), start)
        speed_B = np.full(len(target_B), float(scene.ego.velocity_2[0]))
        lead_B3 = np.zeros((len(target_B), 3))
        along_SB = [along_B]
        for step in range(1, NUM_STEPS + 1):
            if step % UPDATE_STEPS == 0:
                lead_B3 = _leaders(path, obstacles, view, step, along_B)
            along_B, speed_B = intelligent_driver(along_B, speed_B, lead_B3, target_B)
            along_SB.append(along_B)
        poses = path.poses_at(np.asarray(along_SB).ravel()).reshape(len(along_SB), len(target_B), 3)
        proposals.append(poses.transpose(1, 0, 2))
    return np.concatenate(proposals)
