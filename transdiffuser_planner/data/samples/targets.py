"""Labels of a batch as the networks learn them: joint plans in model space, center heat-maps and boxes.

Letters: B batch, A agents, T plan steps, P = T x 3, N = 1 + A, L bird's-eye cells, C agent classes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.contract import NUM_BOX_CHANNELS, AgentIndex, BoxIndex, ModelContract
from transdiffuser_planner.core.geometry import local_from_global
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer

Batch = dict[str, NDArray[Any]]
Array = NDArray[np.float32]

MIN_POINTS = 4
"""An agent hit by fewer LiDAR points is not taught to be there, nor to be absent."""

HEAT_SIGMA_CELLS = 1.0
IGNORE_CELLS = 2.0


def visible_agents(batch: Batch, contract: ModelContract) -> Batch:
    """The nearest visible labeled agents, as many as the model has places for.

    Returns:
        agents (B, A, F), agents_valid (B, A) float32, future (B, A, T, 3), future_valid (B, A, T) bool.
    """
    seen_BG = batch["gt_agents_valid"] & (batch["gt_agents_points"] >= MIN_POINTS)
    order = np.argsort(~seen_BG, axis=1, kind="stable")[:, : contract.num_agents]
    valid = np.take_along_axis(seen_BG, order, axis=1)
    agents = np.take_along_axis(batch["gt_agents"], order[..., None], axis=1) * valid[..., None]
    future = np.take_along_axis(batch["gt_agents_future"], order[..., None, None], axis=1)
    future_valid = np.take_along_axis(batch["gt_agents_future_valid"], order[..., None], axis=1) & valid[..., None]
    return {
        "agents": agents.astype(np.float32),
        "agents_valid": valid.astype(np.float32),
        "future": future,
        "future_valid": future_valid,
    }


def agent_origins(agents_BAF: Array) -> NDArray[np.float64]:
    """Present poses (B, A, 3) of agent features."""
    heading = np.arctan2(agents_BAF[..., AgentIndex.SIN], agents_BAF[..., AgentIndex.COS])
    return np.stack([agents_BAF[..., AgentIndex.X_M], agents_BAF[..., AgentIndex.Y_M], heading], axis=-1).astype(
        np.float64
    )


def joint_plan(
    plan_BT3: Array, plan_valid_BT: NDArray[np.bool_], agents: Batch, normalizer: PlanNormalizer
) -> tuple[Array, Array]:
    """Ego and agent futures in model space (B, N, P) and the mask of labels that exist.

    Only the steps before an agent's first missing step count: a difference needs both its ends.
    """
    known_BAT = np.logical_and.accumulate(agents["future_valid"], axis=2)
    origin = agent_origins(agents["agents"])
    filled = np.where(known_BAT[..., None], agents["future"], origin[:, :, None]).astype(np.float64)
    joint = normalizer.to_model(plan_BT3.astype(np.float64), filled, origin)
    mask = np.concatenate([plan_valid_BT[:, None], known_BAT & (agents["agents_valid"][..., None] > 0.0)], axis=1)
    mask_BNP = np.repeat(mask, 3, axis=2).astype(np.float32)
    return joint * mask_BNP, mask_BNP


def fit_normalizer(plan_NT3: Array, agents: Batch) -> PlanNormalizer:
    """Statistics of the training samples' futures; agents without a complete future are left out."""
    whole = agents["future_valid"].all(axis=2)
    local = local_from_global(
        agent_origins(agents["agents"])[whole][:, None, :], agents["future"][whole].astype(np.float64)
    )
    local[..., 2] = np.unwrap(np.concatenate([np.zeros((len(local), 1)), local[..., 2]], axis=1), axis=1)[:, 1:]
    return PlanNormalizer.fit(plan_NT3.astype(np.float64), local)


def detection_targets(batch: Batch, contract: ModelContract) -> Batch:
    """What the detection head learns.

    Returns:
        heat (B, C, L, L), 1 at centers; ignore (B, L, L), 1 where nothing is known, everywhere without labels of agents;
        box (B, NUM_BOX_CHANNELS, L, L); positive (B, L, L). All float32.
    """
    agents, valid_BG = batch["gt_agents"], batch["gt_agents_valid"]
    size, cell_m = contract.bev_cells, contract.bev_cell_m
    row_f = (contract.range_m - agents[..., AgentIndex.X_M]) / cell_m - 0.5
    column_f = (contract.range_m - agents[..., AgentIndex.Y_M]) / cell_m - 0.5
    row = np.clip(np.rint(row_f), 0, size - 1).astype(np.intp)
    column = np.clip(np.rint(column_f), 0, size - 1).astype(np.intp)
    cells = np.arange(size)
    near_row = np.exp(-0.5 * ((cells - row[..., None]) / HEAT_SIGMA_CELLS) ** 2).astype(np.float32)
    near_column = np.exp(-0.5 * ((cells - column[..., None]) / HEAT_SIGMA_CELLS) ** 2).astype(np.float32)
    seen_BG = valid_BG & (batch["gt_agents_points"] >= MIN_POINTS)
    spot_BGLL = near_row[..., :, None] * near_column[..., None, :]
    class_BGC = agents[..., AgentIndex.CLASS :] > 0.5
    heat = np.stack(
        [(spot_BGLL * (seen_BG & class_BGC[..., c])[..., None, None]).max(axis=1) for c in range(len(AgentClass))],
        axis=1,
    )
    limit = np.exp(-0.5 * (IGNORE_CELLS / HEAT_SIGMA_CELLS) ** 2)
    ignore = ((spot_BGLL > limit) & (valid_BG & ~seen_BG)[..., None, None]).any(axis=1)
    ignore |= ~batch["gt_agents_known"][:, None, None]
    box = np.zeros((len(agents), NUM_BOX_CHANNELS, size, size), dtype=np.float32)
    positive = np.zeros((len(agents), size, size), dtype=np.float32)
    b, g = np.nonzero(seen_BG)
    r, c, agent = row[b, g], column[b, g], agents[b, g]
    values = {
        BoxIndex.OFFSET_X: r - row_f[b, g],
        BoxIndex.OFFSET_Y: c - column_f[b, g],
        BoxIndex.COS: agent[:, AgentIndex.COS],
        BoxIndex.SIN: agent[:, AgentIndex.SIN],
        BoxIndex.LOG_LENGTH: np.log(np.maximum(agent[:, AgentIndex.LENGTH_M], 0.2)),
        BoxIndex.LOG_WIDTH: np.log(np.maximum(agent[:, AgentIndex.WIDTH_M], 0.2)),
    }
    for channel, value in values.items():
        box[b, channel, r, c] = value
    positive[b, r, c] = 1.0
    return {"heat": heat, "ignore": ignore.astype(np.float32), "box": box, "positive": positive}
