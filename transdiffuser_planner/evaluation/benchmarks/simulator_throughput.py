"""Throughput of the simulator on this machine, and simulated snapshots for benchmarks of planners."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import numpy as np

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


def simulator_speed(scenario: Scenario, rig: Rig, num_steps: int) -> dict[str, Any]:
    """Measure the real-time factor of traffic, vehicle and all sensors at 10 Hz, all processes on one core.

    The ego is stationary, so that the traffic around it stays; every step renders every sensor.

    Args:
        scenario: Scenario to simulate.
        rig: The vehicle's sensors.
        num_steps: Number of measured steps.
    """
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        with ClosedLoopEpisode(scenario, rig.vehicle) as episode:
            step = episode.start()
            road_map = RoadMap.load(network_file(scenario.map_name), episode.route.xy_N2)
            suite = SensorSuite(road_map, rig, scenario.weather, scenario.seed)
            suite.render(step.world)
            agents, render_s = [], 0.0
            begin = time.perf_counter()
            for _ in range(num_steps):
                step = episode.step(0.0, 0.0)
                start = time.perf_counter()
                suite.render(step.world)
                render_s += time.perf_counter() - start
                agents.append(len(step.world.agents))
            elapsed_s = time.perf_counter() - begin
    finally:
        os.sched_setaffinity(0, cores)
    return {
        "map": Path(scenario.map_name).name,
        "seed": scenario.seed,
        "agents_mean": round(float(np.mean(agents)), 1),
        "steps": num_steps,
        "ms_per_step": round(elapsed_s / num_steps * 1e3, 2),
        "render_ms_per_step": round(render_s / num_steps * 1e3, 2),
        "times_real_time": round(0.1 * num_steps / elapsed_s, 2),
    }


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
