"""Signals of a scenario: state of each controlled lane at every step. T steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.data.logs.drive_log import TrafficLight
from transdiffuser_planner.data.logs.map_elements import MapLane

FAR_M: Final = 15.0
"""Stop points farther from the begin of their lane are not believed; the begin counts."""
_WORDS: Final = (
    ("STOP", SignalState.RED),
    ("RED", SignalState.RED),
    ("CAUTION", SignalState.AMBER),
    ("YELLOW", SignalState.AMBER),
    ("GREEN", SignalState.GREEN),
    ("GO", SignalState.GREEN),
)


def read_signals(
    signals: Mapping[Any, Any],
    numbers: Mapping[str, int],
    lanes: Sequence[MapLane],
    stamp_ns_T: NDArray[np.int64],
    origin_2: NDArray[np.float64],
) -> tuple[list[TrafficLight], list[tuple[int, dict[int, SignalState]]]]:
    """Read stop lines and states.

    Args:
        signals: ``dynamic_map_states`` of a scenario.
        numbers: Number of the lane for each name.
        lanes: Lanes of the map.
        stamp_ns_T: Stamps of the steps.
        origin_2: Subtracted from all positions, m.

    Returns:
        A light for each controlled lane of the map, and the states at each step.
    """
    by_number = {lane.number: lane for lane in lanes}
    lights: list[TrafficLight] = []
    columns: dict[int, list[SignalState]] = {}
    for name, signal in signals.items():
        if not isinstance(signal, Mapping):
            continue
        lane = by_number.get(numbers.get(str(signal.get("lane", name)), -1))
        states = signal.get("state", {})
        listed = states.get("object_state") if isinstance(states, Mapping) else None
        if lane is None or listed is None:
            continue
        number = len(lights)
        try:
            stop_2 = _stop_point(signal, lane, origin_2)
        except (TypeError, ValueError):
            stop_2 = np.asarray(lane.center_K2[0])
        away_2 = lane.center_K2[0] - lane.center_K2[1]
        facing_rad = float(np.arctan2(away_2[1], away_2[0]))
        x_m, y_m = float(stop_2[0]), float(stop_2[1])
        lights.append(TrafficLight(number=number, x_m=x_m, y_m=y_m, facing_rad=facing_rad, lane=lane.number))
        columns[number] = [_state(word) for word in list(listed)[: len(stamp_ns_T)]]
    states_T = [
        (int(stamp_ns), {number: states[step] for number, states in columns.items() if step < len(states)})
        for step, stamp_ns in enumerate(stamp_ns_T.tolist())
    ]
    return lights, states_T if lights else []


def _stop_point(signal: Mapping[str, Any], lane: MapLane, origin_2: NDArray[np.float64]) -> NDArray[np.float64]:
    """The stop line on a lane: as stated, or where the lane begins; nuPlan's converter states a point 8 m farther."""
    begin_2 = np.asarray(lane.center_K2[0])
    point = np.asarray(signal.get("stop_point", ()), dtype=np.float64).reshape(-1)
    if len(point) < 2 or not np.isfinite(point[:2]).all():
        return begin_2
    stated_2 = np.asarray(point[:2] - origin_2)
    ahead_2 = lane.center_K2[1] - begin_2
    is_behind_begin = float((stated_2 - begin_2) @ ahead_2) <= 0.5 * float(np.hypot(*ahead_2))
    is_near = float(np.hypot(*(stated_2 - begin_2))) < FAR_M
    return stated_2 if is_near and is_behind_begin else begin_2


def _state(word: Any) -> SignalState:
    text = str(word).upper()
    return next((state for part, state in _WORDS if part in text), SignalState.UNKNOWN)
