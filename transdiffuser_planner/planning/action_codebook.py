"""The vocabulary of action tokens: a numbered set of short ego motions, the output of vision-language-action models.

A token is the motion of one plan interval, (dx, dy, dheading) in the frame of the pose before it, as in SMART (Wu et al.
2024) and Trajeglish (Philion et al. 2023). Letters: C tokens of the codebook, N plans, T steps, W paths of the beam search.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import ContractError

FloatArray = NDArray[np.float64]

CODEBOOK_NAME = "action_codebook.json"
HEADING_LEVER_M = 2.0
"""Meters that a radian of heading counts as: its displacement within about the next second."""
BEAM_WIDTH = 16
_SCALE = np.asarray([1.0, 1.0, HEADING_LEVER_M])
_CHUNK = 128


@dataclass(frozen=True, kw_only=True, eq=False)
class ActionCodebook:
    """Segments (C, 3): dx m, dy m, dheading rad; interval_s: duration of each."""

    segment_C3: FloatArray
    interval_s: float

    def __post_init__(self) -> None:
        if self.segment_C3.ndim != 2 or self.segment_C3.shape[1] != 3 or not np.isfinite(self.segment_C3).all():
            raise ContractError(f"action codebook: expected finite segments (C, 3), got {self.segment_C3.shape}")

    def __len__(self) -> int:
        return len(self.segment_C3)

    @property
    def digest(self) -> str:
        """SHA-256 of its content, hexadecimal; messages refer to the codebook by it."""
        content = np.append(self.segment_C3.ravel(), self.interval_s).astype("<f8").tobytes()
        return hashlib.sha256(content).hexdigest()

    def check(self, contract: ModelContract) -> None:
        """Compare with a model's contract.

        Args:
            contract: Contract of the model that receives the tokens.

        Raises:
            ContractError: Size or interval differ; names both values.
        """
        if len(self) != contract.codebook_size:
            raise ContractError(f"action codebook has {len(self)} tokens, the contract has {contract.codebook_size}")
        if abs(self.interval_s - contract.plan_interval_s) > 1e-9:
            raise ContractError(
                f"action codebook's tokens last {self.interval_s} s, the contract's plan steps {contract.plan_interval_s} s"
            )

    def decode(self, token_NT: NDArray[np.integer[Any]]) -> FloatArray:
        """Integrate tokens (..., T) to poses (..., T, 3), starting at (0, 0, 0); heading continuous.

        Args:
            token_NT: Token numbers.

        Raises:
            ContractError: A token is not in the codebook.
        """
        token = np.asarray(token_NT)
        if token.size and (token.min() < 0 or token.max() >= len(self)):
            raise ContractError(
                f"action token {_first_outside(token, len(self))} is out of range (0 .. {len(self) - 1})"
            )
        return integrate_segments(self.segment_C3[token])

    def encode(self, plan_NT3: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Encode plans (N, T, 3) from (0, 0, 0) as tokens (N, T); beam search, so that errors do not accumulate."""
        parts = [self._encode(plan_NT3[i : i + _CHUNK].astype(np.float64)) for i in range(0, len(plan_NT3), _CHUNK)]
        return np.concatenate(parts) if parts else np.zeros(plan_NT3.shape[:2], dtype=np.int64)

    def _encode(self, plan_NT3: FloatArray) -> NDArray[np.int64]:
        count, steps = plan_NT3.shape[:2]
        rows = np.arange(count)[:, None]
        segment_C3 = self.segment_C3 * _SCALE
        length_C = np.square(segment_C3).sum(axis=1)
        pose_NW3, cost_NW = np.zeros((count, 1, 3)), np.zeros((count, 1))
        chosen_NWT = np.zeros((count, 1, 0), dtype=np.int64)
        for step in range(steps):
            # Distances do not depend on the frame: transforming the plan's pose into each path's frame is cheaper than all tokens.
            target_NW3 = relative_pose(pose_NW3, plan_NT3[:, step, None]) * _SCALE
            gap_NWC = np.square(target_NW3).sum(axis=-1, keepdims=True) + length_C - 2.0 * target_NW3 @ segment_C3.T
            total = (cost_NW[..., None] + gap_NWC).reshape(count, -1)
            width = min(BEAM_WIDTH, total.shape[1])
            best = np.argpartition(total, width - 1, axis=1)[:, :width]
            beam, token = np.divmod(best, len(self))
            cost_NW = np.take_along_axis(total, best, axis=1)
            pose_NW3 = compose_pose(pose_NW3[rows, beam], self.segment_C3[token])
            chosen_NWT = np.concatenate([chosen_NWT[rows, beam], token[..., None]], axis=2)
        return np.asarray(chosen_NWT[np.arange(count), cost_NW.argmin(axis=1)])

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-serializable form."""
        return {"interval_s": self.interval_s, "segments": self.segment_C3.tolist(), "digest": self.digest}

    @staticmethod
    def from_json(data: dict[str, Any]) -> ActionCodebook:
        """Invert ``to_json``.

        Args:
            data: Result of ``to_json``.

        Raises:
            ContractError: A key is missing or the digest differs.
        """
        try:
            segments = np.asarray(data["segments"], dtype=np.float64)
            codebook = ActionCodebook(segment_C3=segments, interval_s=float(data["interval_s"]))
            digest = data["digest"]
        except (KeyError, TypeError, ValueError) as error:
            raise ContractError(f"action codebook: {type(error).__name__} {error}; export the model again") from None
        if codebook.digest != digest:
            raise ContractError(
                f"action codebook: its digest is {codebook.digest[:12]}, the file states {str(digest)[:12]}"
            )
        return codebook


def integrate_segments(segment_NT3: NDArray[np.floating[Any]]) -> FloatArray:
    """Concatenate segments (..., T, 3) to poses (..., T, 3), starting at (0, 0, 0); heading continuous."""
    pose, poses = np.zeros((*segment_NT3.shape[:-2], 3)), []
    for step in range(segment_NT3.shape[-2]):
        pose = compose_pose(pose, segment_NT3[..., step, :].astype(np.float64))
        poses.append(pose)
    return np.stack(poses, axis=-2) if poses else np.zeros(segment_NT3.shape)


def compose_pose(pose: FloatArray, segment: FloatArray) -> FloatArray:
    """Apply segments (..., 3) to poses (..., 3), each in the frame of its pose; heading continuous."""
    cos, sin = np.cos(pose[..., 2]), np.sin(pose[..., 2])
    x = pose[..., 0] + cos * segment[..., 0] - sin * segment[..., 1]
    y = pose[..., 1] + sin * segment[..., 0] + cos * segment[..., 1]
    return np.stack(np.broadcast_arrays(x, y, pose[..., 2] + segment[..., 2]), axis=-1)


def relative_pose(pose: FloatArray, target: FloatArray) -> FloatArray:
    """Invert ``compose_pose``: segments (..., 3) in the poses' frames that lead to targets (..., 3)."""
    step = target - pose
    cos, sin = np.cos(pose[..., 2]), np.sin(pose[..., 2])
    along, across = step[..., 0] * cos + step[..., 1] * sin, step[..., 1] * cos - step[..., 0] * sin
    return np.stack([along, across, step[..., 2]], axis=-1)


def segments_between(pose_NT3: NDArray[np.floating[Any]]) -> FloatArray:
    """Segments (..., T - 1, 3) from every pose (..., T, 3), heading continuous, to the next."""
    pose = pose_NT3.astype(np.float64)
    return relative_pose(pose[..., :-1, :], pose[..., 1:, :])


def _first_outside(token: NDArray[np.integer[Any]], size: int) -> int:
    return int(token[(token < 0) | (token >= size)].flat[0])
