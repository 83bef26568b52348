"""Whether an odometry's twist describes the motion of its pose.

LiDAR odometries publish a twist of zero, some drivers one along the world's axes or in km/h. Compared over a second: the
motion of the poses with the integral of the twist, both in base_link. Noise, slip, delay, single jumps and poses that change
less often than they are published stay within the limits.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from transdiffuser_planner.core.types import EgoState

WINDOW_S = 1.0
_MAX_GAP_NS = 1_000_000_000
_LEAST_S, _LEAST_STEPS = 0.5, 4
_LIMIT_MPS, _LIMIT_SHARE = 0.75, 0.3
_LIMIT_RADPS, _MOVING_MPS = 0.15, 1.0
_AGREES = 0.7
_SHARE_OF_JUMPS, _ENDS = 0.2, 0.5
_UNITS = ((3.6, "km/h"), (2.237, "mph"), (1.944, "knots"), (0.001, "km/s"))
_UNIT_TOLERANCE = 0.06


_GAP, _TURN_GAP = slice(0, 2), slice(2, 3)
_MOTION, _TWIST, _ALONG_WORLD = slice(3, 6), slice(6, 9), slice(9, 11)
_NOTHING = (0.0,) * 11


@dataclass(frozen=True, slots=True)
class _Step:
    """From one state to the next.

    Attributes:
        stamp_ns: Its end.
        change: Integrals over the step: gap between motion and twist along the world's axes (m, m) and in angle (rad);
            motion of the pose, and twist, forward, left and in angle (m, m, rad); motion along the world's axes (m, m).
        total: Sum of ``change`` over all steps so far.
    """

    stamp_ns: int
    change: tuple[float, ...]
    total: tuple[float, ...]


def _wrapped(angle_rad: float) -> float:
    return (angle_rad + math.pi) % (2.0 * math.pi) - math.pi


def _change(a: EgoState, b: EgoState) -> tuple[float, ...]:
    """The integrals of ``_Step`` between two states."""
    dt = (b.stamp_ns - a.stamp_ns) * 1e-9
    turned = _wrapped(b.heading_rad - a.heading_rad)
    middle = a.heading_rad + 0.5 * turned
    cos, sin = math.cos(middle), math.sin(middle)
    dx, dy = b.x_m - a.x_m, b.y_m - a.y_m
    ahead, left = 0.5 * dt * (a.vx_mps + b.vx_mps), 0.5 * dt * (a.vy_mps + b.vy_mps)
    turn = 0.5 * dt * (a.yaw_rate_radps + b.yaw_rate_radps)
    gap = (dx - cos * ahead + sin * left, dy - sin * ahead - cos * left, turned - turn)
    return (*gap, cos * dx + sin * dy, cos * dy - sin * dx, turned, ahead, left, turn, dx, dy)


class MotionCheck:
    """Compares twist and motion of one odometry over its last second. Deterministic; not thread-safe."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all states, as after a clock jump."""
        self.reason = ""
        """Why twist and motion contradict each other, with both numbers; "" while they agree or nothing is known yet."""
        self.pose_motion: tuple[float, float, float] | None = None
        """Motion of the pose over the last second: forward, left (m/s), turn (rad/s); None until it is known."""
        self._last: EgoState | None = None
        self._steps: deque[_Step] = deque()
        self._begin_ns = 0

    def update(self, ego: EgoState) -> None:
        """Take the next state.

        Args:
            ego: Of base_link, later than the one before.
        """
        last, self._last = self._last, ego
        if last is None:
            return
        if last.frame_id != ego.frame_id or not 0 < ego.stamp_ns - last.stamp_ns <= _MAX_GAP_NS:
            self._steps.clear()
            return
        change = _change(last, ego)
        total = self._steps[-1].total if self._steps else _NOTHING
        self._steps.append(_Step(ego.stamp_ns, change, tuple(map(float.__add__, total, change))))
        self._begin_ns = self._begin_ns if len(self._steps) > 1 else last.stamp_ns
        while len(self._steps) > _LEAST_STEPS and ego.stamp_ns - self._begin_ns > WINDOW_S * 1e9:
            self._begin_ns = self._steps.popleft().stamp_ns
        self._judge((ego.stamp_ns - self._begin_ns) * 1e-9)

    def _judge(self, seconds: float) -> None:
        steps = self._steps
        if len(steps) < _LEAST_STEPS or seconds < _LEAST_S:
            return
        first, last = steps[0], steps[-1]
        before = tuple(map(float.__sub__, first.total, first.change))
        within = tuple(map(float.__sub__, last.total, before))
        gap_m, gap_rad = math.hypot(*within[_GAP]), abs(within[2])
        motion, twist = ([value / seconds for value in within[part]] for part in (_MOTION, _TWIST))
        self.pose_motion = (motion[0], motion[1], motion[2])
        fastest = max(math.hypot(*motion[:2]), math.hypot(*twist[:2]))
        limit_m = (_LIMIT_MPS + _LIMIT_SHARE * fastest) * seconds
        limit_rad = (_LIMIT_RADPS + _LIMIT_SHARE * max(abs(motion[2]), abs(twist[2]))) * seconds
        if fastest < _MOVING_MPS:  # a heading from positions is anything then
            gap_rad = 0.0
        if self.reason:
            if gap_m < _AGREES * limit_m and gap_rad < _AGREES * limit_rad:
                self.reason = ""
        elif gap_m > limit_m and self._is_lasting(_GAP, before, limit_m):
            self.reason = _motion_text(motion, twist, [value / seconds for value in within[_ALONG_WORLD]])
        elif gap_rad > limit_rad and self._is_lasting(_TURN_GAP, before, limit_rad):
            self.reason = _turn_text(motion[2], twist[2])

    def _is_lasting(self, part: slice, before: tuple[float, ...], limit: float) -> bool:
        """Whether a gap is none of a few jumps: it remains without the largest steps, and between all ends of the window.

        Args:
            part: Of the integrals: the gap in position or in angle.
            before: Sum of the integrals where the window begins.
            limit: m or rad.
        """
        few = max(1, round(_SHARE_OF_JUMPS * len(self._steps)))
        kept = sorted((step.change[part] for step in self._steps), key=lambda gap: math.hypot(*gap))[:-few]
        without_jumps = math.hypot(*(sum(axis) for axis in zip(*kept, strict=True)))
        if without_jumps <= limit * len(kept) / len(self._steps):
            return False
        totals = [before[part], *(step.total[part] for step in self._steps)]
        return all(math.dist(a, b) > _ENDS * limit for a in totals[: few + 1] for b in totals[-few - 1 :])


def _motion_text(motion: list[float], twist: list[float], along_world: list[float]) -> str:
    text = (
        f"odometry: its twist contradicts its pose: positions move at {motion[0]:.1f} m/s forward and {motion[1]:.1f} to the "
        f"left, twist.linear.x is {twist[0]:.1f} and .y {twist[1]:.1f}"
    )
    moves, claims = math.hypot(*motion[:2]), math.hypot(*twist[:2])
    if claims < 0.05:
        return f"{text}: it publishes no velocity"
    if math.dist(along_world, twist[:2]) < 0.1 * moves + 0.2:
        return f"{text}: it is along the world's axes"
    for factor, unit in _UNITS:
        if moves > 0.5 and abs(claims / moves / factor - 1.0) < _UNIT_TOLERANCE:
            return f"{text}: is it in {unit}?"
    return text


def _turn_text(turn_radps: float, rate_radps: float) -> str:
    text = (
        f"odometry: its twist contradicts its pose: the heading turns at {turn_radps:.2f} rad/s, twist.angular.z is "
        f"{rate_radps:.2f}"
    )
    is_degrees = turn_radps != 0.0 and abs(rate_radps / math.degrees(turn_radps) - 1.0) < _UNIT_TOLERANCE
    return f"{text}: is it in degrees?" if is_degrees else text
