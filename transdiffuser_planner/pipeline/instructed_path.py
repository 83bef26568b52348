"""What action tokens still say now: their path, moved from the pose it was spoken at to the present one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.geometry import global_from_local, local_from_global
from transdiffuser_planner.core.types import EgoState, InstructedPath
from transdiffuser_planner.pipeline.action_codebook import segments_between
from transdiffuser_planner.pipeline.ego_history import interpolate

_EPSILON_S = 1e-6


def token_tensors(
    path: InstructedPath | None, ego: EgoState, history: Sequence[EgoState], contract: ModelContract
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The model's inputs ``action_tokens`` and ``action_tokens_valid``.

    Args:
        path: What was said, or None.
        ego: Present state.
        history: Past states in the same frame up to the present one; a path from before them counts as absent.
        contract: Number and length of the plan steps.

    Returns:
        Segments (T, 3) from the present pose on, zeros where nothing is said; validity (T,), 1.0 or 0.0.
    """
    segments = np.zeros((contract.num_plan_steps, 3), dtype=np.float32)
    valid = np.zeros(contract.num_plan_steps, dtype=np.float32)
    then = None if path is None else interpolate(history, path.stamp_ns)
    if path is None or then is None:
        return segments, valid
    origin = np.asarray([then.x_m, then.y_m, then.heading_rad])
    here = np.asarray([ego.x_m, ego.y_m, ego.heading_rad])
    said = local_from_global(here, global_from_local(origin, np.concatenate([np.zeros((1, 3)), path.pose_S3])))
    said[:, 2] = np.unwrap(said[:, 2])
    said_s = path.interval_s * np.arange(len(said))
    wanted_s = (ego.stamp_ns - path.stamp_ns) * 1e-9 + contract.plan_times_s
    ahead = int(np.searchsorted(wanted_s, said_s[-1] + _EPSILON_S))
    poses = [np.interp(wanted_s[:ahead], said_s, said[:, axis]) for axis in range(3)]
    segments[:ahead] = segments_between(np.concatenate([np.zeros((1, 3)), np.stack(poses, axis=-1)]))
    valid[:ahead] = 1.0
    return segments, valid
