"""Augmentation of a batch: mirrored scenes, changed colors, other LiDARs, masked inputs, imperfect agents.

All functions take dictionaries of NumPy arrays with a leading batch axis, as returned by ``SampleSet.gather``, and leave
their arrays unchanged. Randomness is passed in as a generator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import AgentIndex, StatusIndex
from transdiffuser_planner.core.types import DrivingCommand
from transdiffuser_planner.core.view_semantics import VIEW_STRIDE, VIEW_UNKNOWN
from transdiffuser_planner.training.recipe import AugmentationConfig

Batch = dict[str, NDArray[Any]]

SPEED_NOISE_MPS = 0.15
AGENT_POSITION_NOISE_M = 0.25
AGENT_HEADING_NOISE_RAD = 0.08
AGENT_SPEED_NOISE_MPS = 0.5
AGENT_SIZE_NOISE = 0.06
LARGEST_DENSITY = 5.0
ROUTE_NOISE_M = 0.1
TOKEN_NOISE = np.asarray([0.05, 0.02, 0.01])
FIRST_TOKEN_NOISE = 5.0
MOVING_SEGMENT_M = 0.2

_LAST_AXIS = ("image", "lidar", "bev", "view_labels")
_SENSORS = ("image", "camera_valid", "lidar", "lidar_valid")
_NEGATED: dict[str, list[int]] = {
    "history": [1, 2],
    "status": [StatusIndex.VY_MPS, StatusIndex.AY_MPS2],
    "route": [1],
    "plan": [1, 2],
    "gt_agents": [AgentIndex.Y_M, AgentIndex.SIN],
    "gt_agents_future": [1, 2],
}


def mirror(batch: Batch, chosen_B: NDArray[np.bool_]) -> Batch:
    """Swap left and right in the selected samples (B,)."""
    out = dict(batch)
    rows = np.flatnonzero(chosen_B)
    for name in _LAST_AXIS:
        if name in out:
            out[name] = out[name].copy()
            out[name][rows] = out[name][rows][..., ::-1]
    for name, entries in _NEGATED.items():
        if name in out:
            out[name] = out[name].copy()
            sign = np.ones(out[name].shape[-1], dtype=out[name].dtype)
            sign[[int(i) for i in entries]] = -1.0
            out[name][rows] *= sign
    if "status" in out:
        swap = np.arange(out["status"].shape[1])
        swap[[DrivingCommand.LEFT, DrivingCommand.RIGHT]] = [DrivingCommand.RIGHT, DrivingCommand.LEFT]
        out["status"][rows] = out["status"][rows][:, swap]
    if "camera_valid" in out:
        out["camera_valid"] = out["camera_valid"].copy()
        out["camera_valid"][rows] = out["camera_valid"][rows][:, ::-1]
    return out


def change_colors(image_BCHW: NDArray[np.uint8], rng: np.random.Generator, share: float) -> NDArray[np.uint8]:
    """Change brightness, contrast (gamma) and color balance of a share of the images, by one table per channel."""
    out: NDArray[np.uint8] = image_BCHW.copy()
    levels = np.arange(256, dtype=np.float64) / 255.0
    for row in np.flatnonzero(rng.random(len(out)) < share):
        gamma = np.exp(rng.normal(0.0, 0.25))
        gain = np.exp(rng.normal(0.0, 0.2)) * np.exp(rng.normal(0.0, 0.08, 3))
        for channel in range(3):
            table = np.rint(255.0 * np.clip(gain[channel] * levels**gamma, 0.0, 1.0)).astype(np.uint8)
            out[row, channel] = table[out[row, channel]]
    return out


def change_density(
    lidar_BCLL: NDArray[np.uint8], clip_points: int, rng: np.random.Generator, share: float
) -> NDArray[np.uint8]:
    """Multiply or thin the counts of a share of the point clouds, as other LiDARs would have measured the same scene.

    Args:
        lidar_BCLL: Points per cell.
        clip_points: Largest count.
        rng: Random numbers.
        share: Share of the samples.
    """
    out: NDArray[np.uint8] = lidar_BCLL.copy()
    for row in np.flatnonzero(rng.random(len(out)) < share):
        factor = np.exp(rng.uniform(-np.log(2.0), np.log(LARGEST_DENSITY)))
        if factor < 1.0:
            out[row] = rng.binomial(out[row], factor)
        else:  # rounded up or down at random, a cell with points keeps some
            counts = np.floor(out[row] * factor + rng.random(out[row].shape)).astype(np.int64)
            out[row] = np.minimum(np.maximum(counts, out[row]), clip_points)
    return out


def drop_sensors(
    batch: Batch, segment_columns: list[slice], rng: np.random.Generator, config: AugmentationConfig
) -> Batch:
    """Mask cameras, their labels and point clouds, never all sensors of the same sample.

    Args:
        batch: Arrays (B, ...).
        segment_columns: Image columns of each camera.
        rng: Random numbers.
        config: Probabilities.
    """
    names = [name for name in (*_SENSORS, "view_labels") if name in batch]
    out = {**batch, **{name: batch[name].copy() for name in names}}
    size = len(out["image"])
    no_lidar = rng.random(size) < config.drop_lidar
    out["lidar"][no_lidar], out["lidar_valid"][no_lidar] = 0, 0.0
    for segment, columns in enumerate(segment_columns):
        gone = (rng.random(size) < config.drop_camera) & ~no_lidar
        _hide(out, gone, segment, columns)
    if config.drop_cameras > 0.0:
        gone = (rng.random(size) < config.drop_cameras) & ~no_lidar
        for segment, columns in enumerate(segment_columns):
            _hide(out, gone, segment, columns)
    return out


def _hide(out: Batch, gone_B: NDArray[np.bool_], segment: int, columns: slice) -> None:
    """Mask one camera in the chosen samples, in place."""
    out["image"][gone_B, :, :, columns] = 0
    out["camera_valid"][gone_B, segment] = 0.0
    if "view_labels" in out:
        cells = slice(columns.start // VIEW_STRIDE, columns.stop // VIEW_STRIDE)
        out["view_labels"][gone_B, :, cells] = VIEW_UNKNOWN


def drop_conditions(batch: Batch, rng: np.random.Generator, config: AugmentationConfig) -> Batch:
    """Mask optional conditions and add noise to speed and route."""
    names = (
        "history",
        "history_valid",
        "status",
        "acceleration_valid",
        "route",
        "route_valid",
        "signal",
        "signal_valid",
    )
    out = {**batch, **{name: batch[name].copy() for name in (*names, "speed_limit", "speed_limit_valid")}}
    size = len(out["status"])

    def hit(probability: float) -> NDArray[np.intp]:
        return np.flatnonzero(rng.random(size) < probability)

    moving = out["status"][:, StatusIndex.VX_MPS] > 1.0
    out["status"][:, StatusIndex.VX_MPS] += moving * rng.normal(0.0, SPEED_NOISE_MPS, size).astype(np.float32)
    rows = hit(config.drop_acceleration)
    out["status"][rows, StatusIndex.AX_MPS2 :], out["acceleration_valid"][rows] = 0.0, 0.0
    rows = hit(config.drop_command)
    out["status"][rows, : StatusIndex.VX_MPS] = np.eye(StatusIndex.VX_MPS, dtype=np.float32)[DrivingCommand.UNKNOWN]
    rows = hit(config.drop_history)
    out["history"][rows, :-1], out["history_valid"][rows, :-1] = 0.0, 0.0
    shift = rng.normal(0.0, ROUTE_NOISE_M, (size, 1, 2)).astype(np.float32)
    out["route"] += shift * out["route_valid"][..., None]
    for name, probability in (
        ("route", config.drop_route),
        ("signal", config.drop_signal),
        ("speed_limit", config.drop_speed_limit),
    ):
        rows = hit(probability)
        out[name][rows], out[f"{name}_valid"][rows] = 0.0, 0.0
    return out


def drop_tokens(
    segment_BT3: NDArray[np.float32],
    rng: np.random.Generator,
    config: AugmentationConfig,
    needed_B: NDArray[np.bool_] | None = None,
) -> Batch:
    """Imitate externally published action tokens: often missing, often fewer than plan steps, slightly inaccurate.

    Args:
        segment_BT3: Segments of all tokens.
        rng: Random numbers.
        config: Probabilities.
        needed_B: Samples whose target follows from the tokens only; theirs are neither masked nor cut.

    Returns:
        Model inputs "action_tokens" and "action_tokens_valid".
    """
    size, steps = segment_BT3.shape[:2]
    count_B = np.where(rng.random(size) < config.cut_tokens, rng.integers(1, steps + 1, size), steps)
    count_B = np.where(rng.random(size) < config.drop_tokens, 0, count_B)
    if needed_B is not None:
        count_B[needed_B] = steps
    valid = np.arange(steps) < count_B[:, None]
    noise = rng.normal(0.0, TOKEN_NOISE, segment_BT3.shape)
    noise[:, 0] *= FIRST_TOKEN_NOISE  # the vehicle has moved slightly since the tokens were published
    moves = np.abs(segment_BT3[..., :1]) > MOVING_SEGMENT_M
    segments = np.where(valid[..., None], segment_BT3 + moves * noise, 0.0)
    return {"action_tokens": segments.astype(np.float32), "action_tokens_valid": valid.astype(np.float32)}


def mask_tokens(token_inputs: Batch, masked_B: NDArray[np.bool_], needed_B: NDArray[np.bool_] | None = None) -> None:
    """Mask the action tokens of samples whose target is to follow from another condition.

    Args:
        token_inputs: Result of ``drop_tokens``, changed in place.
        masked_B: The samples.
        needed_B: Samples whose target follows from the tokens only; theirs are kept.
    """
    rows = masked_B if needed_B is None else masked_B & ~needed_B
    for value in token_inputs.values():
        value[rows] = 0.0


def blur_agents(
    agents_BAF: NDArray[np.float32], valid_BA: NDArray[np.float32], rng: np.random.Generator, config: AugmentationConfig
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make ground-truth agents as imperfect as tracked ones: noise on pose, speed and size; some are missed.

    Args:
        agents_BAF: Features of the agents.
        valid_BA: 1 where an agent is present.
        rng: Random numbers.
        config: Probabilities.

    Returns:
        Features and validity, both float32; missed agents are zeros.
    """
    shape = valid_BA.shape
    out = agents_BAF.copy()
    out[..., AgentIndex.X_M] += rng.normal(0.0, AGENT_POSITION_NOISE_M, shape)
    out[..., AgentIndex.Y_M] += rng.normal(0.0, AGENT_POSITION_NOISE_M, shape)
    heading = np.arctan2(out[..., AgentIndex.SIN], out[..., AgentIndex.COS]) + rng.normal(
        0.0, AGENT_HEADING_NOISE_RAD, shape
    )
    out[..., AgentIndex.COS], out[..., AgentIndex.SIN] = np.cos(heading), np.sin(heading)
    out[..., AgentIndex.SPEED_MPS] += rng.normal(0.0, AGENT_SPEED_NOISE_MPS, shape)
    unknown = rng.random(shape) < config.drop_agent_speed
    out[..., AgentIndex.SPEED_MPS][unknown] = 0.0
    out[..., AgentIndex.SPEED_KNOWN][unknown] = 0.0
    for entry in (AgentIndex.LENGTH_M, AgentIndex.WIDTH_M):
        out[..., entry] *= np.exp(rng.normal(0.0, AGENT_SIZE_NOISE, shape))
    kept = valid_BA * (rng.random(shape) >= config.drop_agent)
    return (out * kept[..., None]).astype(np.float32), kept.astype(np.float32)
