"""PDM-Closed in closed loop: the reference planner of PDMS on scenes of the true world state. N agents, S steps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.types import NotReady, SignalState, Trajectory
from transdiffuser_planner.data.scenes.scene_map import make_map
from transdiffuser_planner.data.scenes.scene_route import center_line, distinct, red_light
from transdiffuser_planner.metrics.pdm.geometry.boxes import PACIFICA
from transdiffuser_planner.metrics.pdm.reference_planner.pdm_closed import plan_reference
from transdiffuser_planner.metrics.pdm.scene import NUM_STEPS, AgentKind, Agents, EgoState, RedLight, Scene
from transdiffuser_planner.planners.trajectory_builder import trajectory
from transdiffuser_planner.simulation.rollout.planner_interface import (
    ObservationLevel,
    PlannerInitialization,
    PlannerInput,
)
from transdiffuser_planner.simulation.rollout.rollout import STEP_S

FloatArray = NDArray[np.float64]

PLAN_EVERY = 5
REACH_M = 100.0
_KINDS = {AgentClass.PEDESTRIAN: AgentKind.PEDESTRIAN, AgentClass.BICYCLE: AgentKind.BICYCLE}
_NUM_SCENE_STEPS = NUM_STEPS + 1


class PdmClosedPlanner:
    """Plans twice a second from the true map, lights, and positions and speeds of all agents.

    Args:
        plan_every: Steps of 0.1 s between plans.
    """

    observation_level = ObservationLevel.WORLD

    def __init__(self, plan_every: int = PLAN_EVERY) -> None:
        self.plan_every = plan_every

    def reset(self, initialization: PlannerInitialization) -> None:
        """Begin a scenario: build the map.

        Args:
            initialization: Scenario, vehicle, route and map.

        Raises:
            EvaluationError: The map has no lanes.
        """
        self._name = f"{initialization.scenario.map_name} {initialization.scenario.seed}"
        self._route_N2 = distinct(initialization.route.xy_N2)
        self._front_m = initialization.vehicle.front_offset_m
        pieces = [(int(kind), xy) for kind, xy in initialization.road_map.map_polygons()]
        self._map = make_map(pieces, self._route_N2)

    def plan(self, planner_input: PlannerInput) -> Trajectory | NotReady:
        """Return the best of fifteen proposals, or the reason why the scene has none.

        Args:
            planner_input: State of the world and inputs of the current step.
        """
        try:
            scene = self._scene(planner_input)
            pose_S3 = plan_reference(scene).pose_S3
        except EvaluationError as error:
            return NotReady(reason=str(error))
        speed_S = np.hypot(*np.gradient(pose_S3[:, :2], STEP_S, axis=0).T)
        speed_S[0] = planner_input.ego.vx_mps
        time_s_S = np.asarray(STEP_S * np.arange(len(pose_S3)), dtype=np.float64)
        return trajectory(planner_input.ego, time_s_S, pose_S3, speed_S)

    def _scene(self, planner_input: PlannerInput) -> Scene:
        ego, step = planner_input.ego, planner_input.step
        pose_3 = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
        curvature = step.world.ego.curvature_per_m
        return Scene(
            name=f"{self._name} at {ego.stamp_ns * 1e-9:.1f} s",
            ego=EgoState(
                pose_3=pose_3,
                velocity_2=np.asarray([ego.vx_mps, ego.vy_mps]),
                acceleration_2=np.asarray([step.world.ego.acceleration_mps2, ego.vx_mps**2 * curvature]),
                steering_rad=float(np.arctan(PACIFICA.wheelbase_m * curvature)),
                yaw_rate_radps=ego.yaw_rate_radps,
                stamp_us=ego.stamp_ns // 1000,
            ),
            agents=agents_now(step.world.agents, pose_3[:2]),
            areas=self._map.near(pose_3[:2]),
            route=self._map.route,
            center_line_K3=center_line(self._route_N2, pose_3),
            red_lights=tuple(self._red_lights(planner_input)),
            speed_limit_mps=step.speed_limit_mps,
        )

    def _red_lights(self, planner_input: PlannerInput) -> list[RedLight]:
        signal = planner_input.step.signal
        if signal is None or signal.state is not SignalState.RED or not signal.distance_m > 0.0:
            return []
        line_m = planner_input.step.route_s_m + self._front_m + signal.distance_m
        found = red_light(self._route_N2, line_m, np.ones(1, dtype=bool))
        return [] if found is None else [found]


def agents_now(agents: AgentStates, around_2: FloatArray) -> Agents:
    """Agents within 100 m at time 0 only; PDM-Closed forecasts later steps itself.

    Args:
        agents: In the map frame.
        around_2: x, y in the map frame, m.
    """
    near = np.hypot(agents.x_m_N - around_2[0], agents.y_m_N - around_2[1]) < REACH_M
    agents = agents.select(near)
    count = len(agents)
    pose_NS3 = np.full((count, _NUM_SCENE_STEPS, 3), np.nan)
    velocity_NS2 = np.full((count, _NUM_SCENE_STEPS, 2), np.nan)
    pose_NS3[:, 0] = np.stack([agents.x_m_N, agents.y_m_N, agents.heading_rad_N], axis=-1)
    heading = agents.heading_rad_N
    velocity_NS2[:, 0] = agents.speed_mps_N[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    valid_NS = np.zeros((count, _NUM_SCENE_STEPS), dtype=bool)
    valid_NS[:, 0] = True
    classes = [AgentClass(int(value)) for value in agents.class_N]
    return Agents(
        token_N=tuple(f"{kind.name.lower()} {number}" for kind, number in zip(classes, agents.id_N, strict=True)),
        kind_N=tuple(_KINDS.get(kind, AgentKind.VEHICLE) for kind in classes),
        size_N2=np.stack([agents.length_m_N, agents.width_m_N], axis=-1),
        pose_NS3=pose_NS3,
        velocity_NS2=velocity_NS2,
        valid_NS=valid_NS,
    )
