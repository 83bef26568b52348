"""Traffic signals of a log: lamps to render, stop lines on the route, and the states of both over time. K steps.

A log may hold heads with their states, the state of the route's next signal, both or neither. The stop line of a
signal is where the recorded distances put it. Its state over the whole log is that of the head that agrees with it;
without such a head the recorded state holds until the next one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import project_onto_polyline
from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.simulation.log_world.assumed_signals import AssumedSignal
from transdiffuser_planner.simulation.log_world.recorded_world import STEP_NS, RecordedWorld, Stretch
from transdiffuser_planner.simulation.map.road_elements import SignalHead
from transdiffuser_planner.simulation.map.route import RouteSignal

FloatArray = NDArray[np.float64]

HEAD_HEIGHT_M: Final = 5.4
LAMP_M: Final = 0.55
SAME_LINE_M: Final = 8.0
AGREEMENT: Final = 0.9
"""Share of the recorded states that a head must show to be the one of a stop line."""
HEAD_WITHIN_M: Final = 60.0
LETTERS: Final = {SignalState.RED: "r", SignalState.AMBER: "y", SignalState.GREEN: "G", SignalState.UNKNOWN: "o"}


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalHistory:
    """States of one signal.

    Attributes:
        stamps_ns: At which the state was recorded, increasing.
        states: Since that stamp, until the next; the first one holds before, too.
    """

    stamps_ns: NDArray[np.int64]
    states: tuple[SignalState, ...]

    def at(self, stamp_ns: int) -> SignalState:
        """Return the state at a stamp.

        Args:
            stamp_ns: On the log's clock.
        """
        return self.states[max(int(np.searchsorted(self.stamps_ns, stamp_ns, side="right")) - 1, 0)]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogSignals:
    """All signals of a stretch.

    Attributes:
        heads: To render, local frame.
        on_route: Stop lines in driving order.
        histories: By name of the signal; heads and stop lines refer to these names.
    """

    heads: tuple[SignalHead, ...]
    on_route: tuple[RouteSignal, ...]
    histories: dict[str, SignalHistory]

    def letters(self, stamp_ns: int) -> dict[str, str]:
        """Return the states as ``WorldState.signals`` holds them.

        Args:
            stamp_ns: On the log's clock.
        """
        return {name: LETTERS[history.at(stamp_ns)] for name, history in self.histories.items()}


def log_signals(
    world: RecordedWorld,
    stretch: Stretch,
    line_P2: FloatArray,
    vehicle: VehicleModel,
    assumed: Sequence[AssumedSignal] = (),
) -> LogSignals:
    """Find the signals of a stretch.

    Args:
        world: The log.
        stretch: Part of it.
        line_P2: The route, local frame.
        vehicle: Distances were recorded from its front bumper.
        assumed: Stop lines of logs that hold no signals.
    """
    histories = {f"light {number}": history for number, history in _head_histories(world).items()}
    heads = tuple(
        SignalHead(
            signal_id=f"light {light.number}",
            link=0,
            x_m=light.x_m - float(world.origin_2[0]),
            y_m=light.y_m - float(world.origin_2[1]),
            z_m=HEAD_HEIGHT_M,
            facing_rad=light.facing_rad,
            lamp_m=LAMP_M,
            pole=False,
        )
        for light in world.log.lights
        if f"light {light.number}" in histories
    )
    on_route = []
    for line_m, stamps_ns, states in _stop_lines(world, stretch, line_P2, vehicle):
        name = _matching_head(line_m, stamps_ns, states, line_P2, heads, histories)
        if name is None:
            name = f"stop line at {line_m:.0f} m"
            histories[name] = SignalHistory(stamps_ns=stamps_ns, states=states)
        on_route.append(RouteSignal(s_m=line_m, tls_id=name, link_index=0))
    for line_m, stamps_ns, states in assumed:
        name = f"assumed at {line_m:.0f} m"
        histories[name] = SignalHistory(stamps_ns=stamps_ns, states=states)
        on_route.append(RouteSignal(s_m=line_m, tls_id=name, link_index=0))
    return LogSignals(heads=heads, on_route=tuple(sorted(on_route, key=lambda signal: signal.s_m)), histories=histories)


def _head_histories(world: RecordedWorld) -> dict[int, SignalHistory]:
    found: dict[int, list[tuple[int, SignalState]]] = defaultdict(list)
    for stamp_ns, states in world.log.light_states:
        for number, state in states.items():
            found[number].append((stamp_ns, state))
    return {number: _history(rows) for number, rows in found.items()}


def _history(rows: Sequence[tuple[int, SignalState]]) -> SignalHistory:
    rows = sorted(rows, key=lambda row: row[0])
    return SignalHistory(
        stamps_ns=np.asarray([stamp for stamp, _ in rows], dtype=np.int64), states=tuple(state for _, state in rows)
    )


def _stop_lines(
    world: RecordedWorld, stretch: Stretch, line_P2: FloatArray, vehicle: VehicleModel
) -> list[tuple[float, NDArray[np.int64], tuple[SignalState, ...]]]:
    """Arc length, stamps and states of each stop line that the recorded next signals belong to."""
    begin_ns, last = stretch.begin_ns, len(stretch.poses) - 1
    seen = []
    for signal in world.log.signals:
        step = round((signal.stamp_ns - begin_ns) / STEP_NS)
        if signal.state is SignalState.UNKNOWN or not 0 <= step <= last:
            continue
        pose = stretch.poses[step]
        s_X, _ = project_onto_polyline(line_P2, [[pose.x_m, pose.y_m]])
        seen.append((float(s_X[0]) + vehicle.front_offset_m + signal.distance_m, signal.stamp_ns, signal.state))
    groups: list[list[tuple[float, int, SignalState]]] = []
    for row in sorted(seen, key=lambda item: item[0]):
        if groups and row[0] - groups[-1][-1][0] < SAME_LINE_M:
            groups[-1].append(row)
        else:
            groups.append([row])
    found = []
    for group in groups:
        history = _history([(stamp, state) for _, stamp, state in group])
        found.append((float(np.median([s for s, _, _ in group])), history.stamps_ns, history.states))
    return found


def _matching_head(
    line_m: float,
    stamps_ns: NDArray[np.int64],
    states: tuple[SignalState, ...],
    line_P2: FloatArray,
    heads: Sequence[SignalHead],
    histories: dict[str, SignalHistory],
) -> str | None:
    """The nearest head that shows what was recorded for a stop line, or None."""
    if not heads:
        return None
    s_P = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line_P2, axis=0).T))])
    at_2 = np.asarray([np.interp(line_m, s_P, line_P2[:, axis]) for axis in (0, 1)])
    ranked = sorted(heads, key=lambda head: float(np.hypot(head.x_m - at_2[0], head.y_m - at_2[1])))
    for head in ranked:
        if np.hypot(head.x_m - at_2[0], head.y_m - at_2[1]) > HEAD_WITHIN_M:
            break
        history = histories[head.signal_id]
        agree = [history.at(int(stamp)) is state for stamp, state in zip(stamps_ns, states, strict=True)]
        if float(np.mean(agree)) >= AGREEMENT:
            return head.signal_id
    return None
