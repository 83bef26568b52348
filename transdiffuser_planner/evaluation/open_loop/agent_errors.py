"""Errors of the agents' predicted futures on unseen samples. G agents of all samples, M candidates, T plan steps."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from transdiffuser_planner.core.contract import AgentIndex
from transdiffuser_planner.data.candidates.candidate_source import CandidateSource
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.data.samples.targets import agent_origins, visible_agents
from transdiffuser_planner.metrics.displacement import displacement_table
from transdiffuser_planner.planners.planner_names import CONSTANT_VELOCITY, ONE, ORACLE
from transdiffuser_planner.runtime.inference.backend import InferenceBackend

FloatArray = NDArray[np.float64]
Futures = dict[str, Any]

MOST_SAMPLES = 500
AGENT_TITLES = {
    CONSTANT_VELOCITY: "agents: constant velocity",
    ONE: "agents: TransDiffuser, one sample",
    ORACLE: "agents: TransDiffuser, nearest of all samples (oracle)",
}


def agent_futures(
    backend: InferenceBackend, samples: SampleSet, index_B: NDArray[np.int64], num_candidates: int
) -> Futures:
    """Sample futures of the labeled agents that the LiDAR hits, with their logged futures.

    Args:
        backend: The model.
        samples: The sample set.
        index_B: Numbers of the samples; at most 500 of them, evenly spaced, are used.
        num_candidates: Number M of candidates.

    Returns:
        "candidates" (G, M, T, 3), "truth" (G, T, 3), "known" (G, T) bool, "pose" (G, 3), "speed" (G,); in base_link.
    """
    contract, source = backend.manifest.contract, CandidateSource(backend, samples)
    few_B = index_B[np.linspace(0, len(index_B) - 1, min(len(index_B), MOST_SAMPLES)).astype(np.int64)]
    parts: dict[str, list[Any]] = {name: [] for name in ("candidates", "truth", "known", "pose", "speed")}
    for index in tqdm(few_B, desc="agents", unit="sample", file=sys.stderr, mininterval=1.0):
        frame = source.frame(int(index))
        labels = visible_agents(frame.raw, contract)
        slots = np.flatnonzero(labels["agents_valid"][0] > 0.0)
        if not len(slots):
            continue
        parts["candidates"].append(source.sample(frame, num_candidates)[:, 1 + slots].transpose(1, 0, 2, 3))
        parts["truth"].append(labels["future"][0, slots].astype(np.float64))
        parts["known"].append(labels["future_valid"][0, slots])
        parts["pose"].append(agent_origins(labels["agents"])[0, slots])
        parts["speed"].append(labels["agents"][0, slots, AgentIndex.SPEED_MPS].astype(np.float64))
    return {name: np.concatenate(found) for name, found in parts.items() if found}


def agent_table(futures: Futures, time_s_T: FloatArray) -> list[dict[str, Any]]:
    """Return ADE, FDE and miss rate of the agents until 1, 2, 3 and 4 s; an agent counts until it disappears.

    Args:
        futures: As ``agent_futures`` returns them; empty without agents.
        time_s_T: Times of the plan steps (s).
    """
    if not futures:
        return []
    candidates = futures["candidates"]
    plans = {
        CONSTANT_VELOCITY: _constant_velocity(futures["pose"], futures["speed"], time_s_T)[:, None],
        ONE: candidates[:, :1],
        ORACLE: candidates,
    }
    return [
        {
            "planner": f"agents {name}",
            "title": AGENT_TITLES[name],
            "at_s": row.at_s,
            "ade_m": round(row.ade_m, 3),
            "fde_m": round(row.fde_m, 3),
            "miss_rate": round(row.miss_rate, 4),
            "samples": row.num_samples,
        }
        for name, plan in plans.items()
        for row in displacement_table(plan, futures["truth"], futures["known"], time_s_T)
    ]


def _constant_velocity(pose_G3: FloatArray, speed_G: FloatArray, time_s_T: FloatArray) -> FloatArray:
    """Return poses (G, T, 3) of agents that keep speed and heading."""
    distance_GT = speed_G[:, None] * time_s_T
    heading_G1 = pose_G3[:, 2:3]
    x_GT = pose_G3[:, 0:1] + distance_GT * np.cos(heading_G1)
    y_GT = pose_G3[:, 1:2] + distance_GT * np.sin(heading_G1)
    return np.stack([x_GT, y_GT, np.broadcast_to(heading_G1, x_GT.shape)], axis=-1)
