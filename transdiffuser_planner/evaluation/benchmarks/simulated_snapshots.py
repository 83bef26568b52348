"""Simulated snapshots for benchmarks of planners."""

from __future__ import annotations

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import Route, SensorSnapshot
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler
from transdiffuser_planner.simulation.episode import ClosedLoopEpisode
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.sumo_networks import network_file
from transdiffuser_planner.simulation.message_stream import MAP_FRAME
from transdiffuser_planner.simulation.rollout.rollout import feed_assembler
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite


def snapshots(scenario: Scenario, rig: Rig, count: int) -> list[SensorSnapshot]:
    """Return aligned inputs of consecutive 10 Hz frames of a scenario whose ego coasts.

    Args:
        scenario: Scenario to simulate.
        rig: The vehicle's sensors.
        count: Number of snapshots.

    Raises:
        EvaluationError: The scenario produced no complete frame.
    """
    assembler = SnapshotAssembler(rig, PlannerConfig())
    found: list[SensorSnapshot] = []
    with ClosedLoopEpisode(scenario, rig.vehicle) as episode:
        step = episode.start()
        road_map = RoadMap.load(network_file(scenario.map_name), episode.route.xy_N2)
        suite = SensorSuite(road_map, rig, scenario.weather, scenario.seed)
        assembler.add_route(Route(stamp_ns=0, frame_id=MAP_FRAME, xy_N2=episode.route.xy_N2))
        while len(found) < count:
            feed_assembler(assembler, step, suite.render(step.world))
            snapshot = assembler.assemble(step.world.stamp_ns)
            if isinstance(snapshot, SensorSnapshot):
                found.append(snapshot)
            elif step.world.stamp_ns > 5_000_000_000 and not found:
                raise EvaluationError(f"scenario seed {scenario.seed}: {snapshot.reason}")
            step = episode.step(0.0, 0.0)
    return found
