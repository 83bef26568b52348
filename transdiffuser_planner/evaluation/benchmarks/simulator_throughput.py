"""Speed of the simulator on one core against the number of road users in the sensors' range."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.reports.figures import new_figure, save_figure
from transdiffuser_planner.runtime.inference.reference_convolution import ReferenceConvolution
from transdiffuser_planner.simulation.episode import ClosedLoopEpisode
from transdiffuser_planner.simulation.map.road_map import RoadMap
from transdiffuser_planner.simulation.map.sumo_networks import network_file
from transdiffuser_planner.simulation.scenario import Scenario
from transdiffuser_planner.simulation.sensors.camera import AGENT_RANGE_M
from transdiffuser_planner.simulation.sensors.sensor_suite import SensorSuite
from transdiffuser_planner.simulation.world_state import WorldState

STEP_S = 0.1
PARTS = ("traffic", "scene", "cameras", "lidar")
COLUMNS = {
    "agents_mean": "road users within 80 m",
    "agents_min": "fewest",
    "agents_max": "most",
    "times_real_time": "x real time",
    "ms_per_step": "ms a step",
    "step_in_r": "in R",
    **{f"{part}_ms": part for part in PARTS},
}
# Steps in which the ego brakes to a stop and road users are counted, and steps between two measurements of R.
_COUNTED_STEPS, _REFERENCE_EVERY = 30, 10
_NEAR_ENOUGH, _MOST_TRIES, _MOST_AGENTS = 0.1, 5, 500


def simulator_speed(scenario: Scenario, rig: Rig, agents: Sequence[int], num_steps: int) -> Iterator[dict[str, Any]]:
    """Measure traffic, vehicle and all sensors at 10 Hz with more and more road users, all processes on one core.

    The ego brakes to a stop in its lane, so that the traffic around it stays; every step renders every sensor.

    Args:
        scenario: Scenario to simulate; each row has a number of agents of its own.
        rig: The vehicle's sensors.
        agents: Numbers of road users wanted within the range in which they are rendered.
        num_steps: Number of measured steps of each row.

    Yields:
        One row for each number: what was measured, with the number that the streets really had.
    """
    reference = ReferenceConvolution()
    for wanted in agents:
        crowded = replace(scenario, num_agents=_demand(scenario, rig, wanted))
        with _one_core(), ClosedLoopEpisode(crowded, rig.vehicle) as episode:
            yield {"agents": wanted, "demand": crowded.num_agents, **_measured(episode, rig, num_steps, reference)}


def _measured(episode: ClosedLoopEpisode, rig: Rig, num_steps: int, reference: ReferenceConvolution) -> dict[str, Any]:
    """Measure the steps of one episode, once the ego has stopped."""
    scenario = episode.scenario
    episode.start()
    road_map = RoadMap.load(network_file(scenario.map_name), episode.route.xy_N2)
    suite = SensorSuite(road_map, rig, scenario.weather, scenario.seed)
    for _ in range(_COUNTED_STEPS):
        world = _stopped_step(episode)
    suite.render(world)
    counts, reference_ms, marks_K5 = [], [], []
    for number in range(num_steps):
        if number % _REFERENCE_EVERY == 0:
            reference_ms.append(reference.once_ms())
        marks = [time.perf_counter()]
        world = _stopped_step(episode)
        marks.append(time.perf_counter())
        traffic = suite.scene(world)
        marks.append(time.perf_counter())
        suite.images(world, traffic)
        marks.append(time.perf_counter())
        suite.cloud(world, traffic)
        marks_K5.append([*marks, time.perf_counter()])
        counts.append(_num_near(world))
    part_ms_K4 = np.diff(np.asarray(marks_K5), axis=1) * 1e3
    step_ms_K, reference_p50 = part_ms_K4.sum(axis=1), float(np.median(reference_ms))
    parts_ms = dict(zip(PARTS, part_ms_K4.mean(axis=0).tolist(), strict=True))
    return {
        "agents_mean": round(float(np.mean(counts)), 1),
        "agents_min": min(counts),
        "agents_max": max(counts),
        "steps": num_steps,
        "ms_per_step": round(float(step_ms_K.mean()), 2),
        "p99_ms": round(float(np.percentile(step_ms_K, 99)), 2),
        **{f"{part}_ms": round(value, 2) for part, value in parts_ms.items()},
        "reference_ms": round(reference_p50, 2),
        "step_in_r": round(float(np.median(step_ms_K)) / reference_p50, 2),
        "times_real_time": round(1e3 * STEP_S / float(step_ms_K.mean()), 2),
    }


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    """Keep this thread, and the processes that it starts, on one core where the system supports it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def _demand(scenario: Scenario, rig: Rig, wanted: int) -> int:
    """Return the scenario's number of agents that brings about so many into range, or as many as have room."""
    demand, found = wanted, dict[int, float]()
    while demand not in found and len(found) < _MOST_TRIES:
        with ClosedLoopEpisode(replace(scenario, num_agents=demand), rig.vehicle) as episode:
            episode.start()
            found[demand] = float(np.mean([_num_near(_stopped_step(episode)) for _ in range(_COUNTED_STEPS)]))
        if abs(found[demand] - wanted) <= _NEAR_ENOUGH * wanted:
            break
        demand = min(max(round(demand * wanted / max(found[demand], 1.0)), 1), _MOST_AGENTS)
    return min(found, key=lambda number: abs(found[number] - wanted))


def _stopped_step(episode: ClosedLoopEpisode) -> WorldState:
    return episode.step(-episode.vehicle.max_decel_mps2, 0.0).world


def _num_near(world: WorldState) -> int:
    """Return the number of road users in the range in which they are rendered."""
    agents, ego = world.agents, world.ego
    return int((np.hypot(agents.x_m_N - ego.x_m, agents.y_m_N - ego.y_m) < AGENT_RANGE_M).sum())


def plot(path: Path, rows: Sequence[dict[str, Any]], title: str) -> None:
    """Plot the cost of a step, by part, against the number of road users.

    Args:
        path: File to write.
        rows: Of ``simulator_speed``.
        title: Title of the plot.

    Raises:
        EvaluationError: matplotlib is not installed.
    """
    figure = new_figure(8.2, 4.2)
    axes = figure.subplots()
    rows = sorted(rows, key=lambda row: float(row["agents_mean"]))
    agents = [row["agents_mean"] for row in rows]
    axes.stackplot(agents, [[row[f"{part}_ms"] for row in rows] for part in PARTS], labels=PARTS, alpha=0.75)
    for row in rows:
        axes.annotate(
            f"{row['times_real_time']:g}x", (row["agents_mean"], row["ms_per_step"]), ha="center", va="bottom"
        )
    axes.axhline(1e3 * STEP_S / 3.0, color="black", ls="--", lw=1.0, label="3 times real time")
    axes.set(xlabel="road users within 80 m", ylabel="ms a step of 0.1 s", ylim=(0.0, None))
    axes.margins(x=0.06)
    figure.legend(loc="outside right upper")
    figure.suptitle(title, fontsize=9)
    save_figure(figure, path)
