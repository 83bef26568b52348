"""Optional inputs: the newest of each, masked when absent or too old."""

from __future__ import annotations

from dataclasses import dataclass

from transdiffuser_planner.core.agents import TrackedAgents
from transdiffuser_planner.core.errors import ContractError
from transdiffuser_planner.core.types import (
    Acceleration,
    ActionTokenPath,
    ActionTokens,
    DrivingCommand,
    Route,
    TrafficSignal,
)
from transdiffuser_planner.planning.action_codebook import ActionCodebook

MAX_AGENTS_AGE_S = 0.5
"""Older agents of another program are replaced by the planner's own detections."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshInputs:
    """Optional inputs that are recent enough at a stamp; ``missing`` names the others."""

    acceleration: Acceleration | None
    route: Route | None
    command: DrivingCommand
    signal: TrafficSignal | None
    speed_limit_mps: float | None
    action_token_path: ActionTokenPath | None
    agents: TrackedAgents | None
    missing: tuple[str, ...]


class OptionalInputs:
    """Holds the newest optional inputs. Not thread-safe."""

    def __init__(self) -> None:
        self.codebook: ActionCodebook | None = None
        """The model's codebook; action tokens are refused without one."""
        self.awaited = ""
        """Reason that no frame may be planned from yet, such as a first route that is being made; "" without one."""
        self._route: Route | None = None
        self.reset_optional()

    def reset_optional(self) -> None:
        """Discard everything but the route, as after a clock jump."""
        self._acceleration: Acceleration | None = None
        self._command: tuple[int, DrivingCommand] | None = None
        self._signal: TrafficSignal | None = None
        self._speed_limit: tuple[int, float] | None = None
        self._action_token_path: ActionTokenPath | None = None
        self._agents: TrackedAgents | None = None

    def add_acceleration(self, acceleration: Acceleration) -> str | None:
        """Take an acceleration; returns why it was refused, or None."""
        self._acceleration = acceleration
        return None

    def add_route(self, route: Route) -> str | None:
        """Take a route, or withdraw it when it has no pose; returns why it was refused, or None."""
        if len(route.xy_N2) == 1:
            return "route: needs at least 2 poses, or none to withdraw it, got 1"
        self._route = route if len(route.xy_N2) else None
        return None

    def masked_route(self, frame_id: str) -> str:
        """Return why the present route is masked with odometry in a frame; "" if it is used, or there is none."""
        if self._route is None or self._route.frame_id == frame_id:
            return ""
        return f"route: its frame is {self._route.frame_id!r}, the odometry's {frame_id!r}; the route is masked"

    def add_command(self, stamp_ns: int, command: DrivingCommand) -> str | None:
        """Take a driving command; never refused."""
        self._command = (stamp_ns, command)
        return None

    def add_signal(self, signal: TrafficSignal) -> str | None:
        """Take the next signal's state; never refused."""
        self._signal = signal
        return None

    def add_speed_limit(self, stamp_ns: int, speed_limit_mps: float) -> str | None:
        """Take a speed limit; returns why it was refused, or None."""
        if not 0.0 < speed_limit_mps < 70.0:
            return f"speed limit: {speed_limit_mps} m/s is out of range (0 .. 70)"
        self._speed_limit = (stamp_ns, speed_limit_mps)
        return None

    def add_agents(self, agents: TrackedAgents) -> str | None:
        """Take the agents that replace the planner's own detections; never refused."""
        self._agents = agents
        return None

    def add_action_tokens(self, tokens: ActionTokens) -> str | None:
        """Take action tokens; returns why they were refused, or None."""
        book = self.codebook
        if book is None:
            return "action tokens: the model takes none"
        if tokens.codebook_hash != book.digest:
            theirs = tokens.codebook_hash[:12] or "none"
            return f"action tokens: made with codebook {theirs}, the model's is {book.digest[:12]}"
        wanted_s = len(tokens.token_S) * book.interval_s
        if abs(tokens.horizon_s - wanted_s) > 1e-3:
            return (
                f"action tokens: {len(tokens.token_S)} tokens reach {wanted_s:g} s, horizon_s is {tokens.horizon_s:g} s"
            )
        try:
            pose_S3 = book.decode(tokens.token_S)
        except ContractError as error:
            return str(error)
        self._action_token_path = ActionTokenPath(stamp_ns=tokens.stamp_ns, pose_S3=pose_S3, interval_s=book.interval_s)
        return None

    def optional_at(self, stamp_ns: int, frame_id: str, max_age_s: float, max_tokens_age_s: float) -> FreshInputs:
        """Return the inputs that are recent enough at a stamp; a route of any age, if in the odometry's frame.

        Args:
            stamp_ns: The frame's stamp.
            frame_id: The odometry's frame.
            max_age_s: Oldest age of all inputs but action tokens and route.
            max_tokens_age_s: Oldest age of action tokens.
        """

        def fresh(stamp: int, limit_s: float = max_age_s) -> bool:
            return abs(stamp_ns - stamp) <= limit_s * 1e9

        acceleration = self._acceleration if self._acceleration and fresh(self._acceleration.stamp_ns) else None
        route = self._route if self._route is not None and self._route.frame_id == frame_id else None
        command = self._command if self._command is not None and fresh(self._command[0]) else None
        signal = self._signal if self._signal is not None and fresh(self._signal.stamp_ns) else None
        limit = self._speed_limit if self._speed_limit is not None and fresh(self._speed_limit[0]) else None
        tokens = self._action_token_path
        action_token_path = tokens if tokens is not None and fresh(tokens.stamp_ns, max_tokens_age_s) else None
        agents = self._agents
        if agents is not None and not (agents.states.frame_id == frame_id and fresh(agents.stamp_ns, MAX_AGENTS_AGE_S)):
            agents = None
        # Few vehicles have a publisher of action tokens or agents: they are reported missing only after a first message.
        silent = ("action_tokens",) if tokens is not None and action_token_path is None else ()
        silent = (*silent, "agents") if self._agents is not None and agents is None else silent
        found = {
            "acceleration": acceleration,
            "route": route,
            "command": command,
            "traffic_signal": signal,
            "speed_limit": limit,
        }
        return FreshInputs(
            acceleration=acceleration,
            route=route,
            command=DrivingCommand.UNKNOWN if command is None else command[1],
            signal=signal,
            speed_limit_mps=None if limit is None else limit[1],
            action_token_path=action_token_path,
            agents=agents,
            missing=(*(name for name, value in found.items() if value is None), *silent),
        )
