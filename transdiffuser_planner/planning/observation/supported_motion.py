"""Motions of the vehicle that the planner does not support: driving backward, and speeds beyond the model's training drives."""

from __future__ import annotations

from transdiffuser_planner.core.types import EgoState

REVERSING_MPS, _SURELY_MPS = -0.3, -1.0
_FORWARD_MPS = -0.1
_LASTING_NS = 200_000_000
_SLOW_AGAIN = 0.95


class SupportedMotion:
    """Watches the speed of one vehicle. Deterministic; not thread-safe."""

    def __init__(self) -> None:
        self.top_speed_mps: float | None = None
        """Top speed of the model's training drives; None while no model is known."""
        self.reset()

    def reset(self) -> None:
        """Forget all states, as after a clock jump."""
        self.reason = ""
        """Why there is no plan: the vehicle drives backward."""
        self._backward_since_ns: int | None = None
        self._is_fast = False

    def update(self, ego: EgoState) -> str:
        """Take the next state.

        Args:
            ego: Of base_link.

        Returns:
            A notice that the vehicle is faster than the model knows, once each time, or "".
        """
        self._watch_direction(ego)
        top_mps = self.top_speed_mps
        if top_mps is None or ego.vx_mps < _SLOW_AGAIN * top_mps:
            self._is_fast = False
        elif ego.vx_mps > top_mps and not self._is_fast:
            self._is_fast = True
            return (
                f"odometry: {ego.vx_mps:.1f} m/s is faster than any of the model's training drives ({top_mps:.1f} m/s)"
            )
        return ""

    def _watch_direction(self, ego: EgoState) -> None:
        """Drive backward after 0.2 s of it or at once when faster than 1 m/s, until the vehicle stands or drives forward."""
        if ego.vx_mps > (_FORWARD_MPS if self.reason else REVERSING_MPS):
            self.reason, self._backward_since_ns = "", None
            return
        if self._backward_since_ns is None:
            self._backward_since_ns = ego.stamp_ns
        is_lasting = ego.stamp_ns - self._backward_since_ns >= _LASTING_NS
        if not self.reason and (is_lasting or ego.vx_mps < _SURELY_MPS):
            self.reason = (
                f"odometry: the vehicle drives backward at {-ego.vx_mps:.1f} m/s; only driving forward is supported"
            )
