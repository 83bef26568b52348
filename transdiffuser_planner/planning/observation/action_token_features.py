"""The path of the action tokens, moved to the present pose: as inputs of the model and as poses.

``core.types.ActionTokenPath`` starts at the pose of the tokens' stamp; ``ActionTokenFeatures`` starts at the present pose and has
the plan steps of the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.geometry import global_from_local, local_from_global
from transdiffuser_planner.core.types import ActionTokenPath, EgoState
from transdiffuser_planner.planning.action_codebook import integrate_segments, segments_between
from transdiffuser_planner.planning.observation.ego_history import interpolate

_EPSILON_S = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ActionTokenFeatures:
    """The path of the action tokens in the present base_link, at the model's plan steps.

    Attributes:
        pose_T3: Poses at the plan steps.
        valid_T: 1.0 at the plan steps that the tokens reach, else 0.0.
    """

    pose_T3: NDArray[np.float64]
    valid_T: NDArray[np.float32]

    @staticmethod
    def of(observation: Mapping[str, NDArray[Any]]) -> ActionTokenFeatures | None:
        """Read the path from the model's inputs.

        Args:
            observation: With ``core.contract.TOKEN_INPUTS`` (1, T, ...), if the model takes them.

        Returns:
            The path; None without action tokens.
        """
        valid_T = observation.get("action_tokens_valid", np.zeros((1, 0)))[0]
        if not valid_T.any():
            return None
        return ActionTokenFeatures(
            pose_T3=integrate_segments(observation["action_tokens"][0].astype(np.float64)), valid_T=valid_T
        )

    @property
    def pose_S3(self) -> NDArray[np.float64]:
        """Poses at the plan steps that the tokens reach."""
        return self.pose_T3[self.valid_T > 0.0]


def token_tensors(
    path: ActionTokenPath | None, ego: EgoState, history: Sequence[EgoState], contract: ModelContract
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the model's inputs ``action_tokens`` and ``action_tokens_valid``.

    Args:
        path: Decoded action tokens, or None.
        ego: Present state.
        history: Past states in the same frame up to the present one; a path from before them counts as absent.
        contract: Number and length of the plan steps.

    Returns:
        Segments (T, 3) starting at the present pose, zeros beyond the tokens; validity (T,), 1.0 or 0.0.
    """
    segments = np.zeros((contract.num_plan_steps, 3), dtype=np.float32)
    valid = np.zeros(contract.num_plan_steps, dtype=np.float32)
    then = None if path is None else interpolate(history, path.stamp_ns)
    if path is None or then is None:
        return segments, valid
    origin = np.asarray([then.x_m, then.y_m, then.heading_rad])
    here = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
    token_pose = local_from_global(here, global_from_local(origin, np.concatenate([np.zeros((1, 3)), path.pose_S3])))
    token_pose[:, 2] = np.unwrap(token_pose[:, 2])
    token_time_s = path.interval_s * np.arange(len(token_pose))
    plan_time_s = (ego.stamp_ns - path.stamp_ns) * 1e-9 + contract.plan_times_s
    ahead = int(np.searchsorted(plan_time_s, token_time_s[-1] + _EPSILON_S))
    poses = [np.interp(plan_time_s[:ahead], token_time_s, token_pose[:, axis]) for axis in range(3)]
    segments[:ahead] = segments_between(np.concatenate([np.zeros((1, 3)), np.stack(poses, axis=-1)]))
    valid[:ahead] = 1.0
    return segments, valid
