"""Published results of the scorer use the planner's own selection."""

from typing import Any

import numpy as np
import pytest
from straight_drive import RIG, snapshot

from transdiffuser_planner.core.contract import SCORER_INPUTS, TINY, AgentIndex, SignalIndex, StatusIndex
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.evaluation.open_loop.driving_selection import DrivingChoice
from transdiffuser_planner.runtime.cycle.candidate_sampler import agent_tensors
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner

NEAR, FAR = 0, 1


def _tensors(speed_mps: float) -> dict[str, np.ndarray]:
    """An empty plain: no agents, no route, no signal."""
    agents = TINY.num_agents
    status = np.zeros(8)
    status[StatusIndex.VX_MPS] = speed_mps
    return {
        "bev_logits": np.zeros((6, TINY.bev_cells, TINY.bev_cells)),
        "agents": np.zeros((agents, 11)),
        "agents_valid": np.zeros(agents),
        "status": status,
        "route": np.zeros((TINY.num_route_points, 2)),
        "route_valid": np.zeros(TINY.num_route_points),
        "signal": np.zeros(4),
        "signal_valid": np.zeros(1),
    }


def _two_plans(speed_mps: float) -> np.ndarray:
    """Joint futures (2, 1 + A, T, 3): the first ends 16 m ahead, the second 24 m; all agents are stationary 12 m ahead."""
    time_s = TINY.plan_times_s
    joint = np.zeros((2, 1 + TINY.num_agents, len(time_s), 3))
    joint[:, 1:, :, 0] = 12.0
    for plan, end_m in enumerate((16.0, 24.0)):
        slower_mps2 = 2.0 * (speed_mps * time_s[-1] - end_m) / time_s[-1] ** 2
        joint[plan, 0, :, 0] = speed_mps * time_s - 0.5 * slower_mps2 * time_s**2
    return joint


def _scores(farther_is_better: float) -> np.ndarray:
    scores = np.ones((2, 5))
    scores[NEAR, 3] = 1.0 - farther_is_better
    return scores


def test_a_red_light_outweighs_the_predicted_score() -> None:
    tensors, joint = _tensors(6.0), _two_plans(6.0)
    assert DrivingChoice(TINY, RIG.vehicle).index(joint, _scores(0.2), tensors) == FAR
    tensors["signal"][[SignalIndex.RED, SignalIndex.DISTANCE]] = 1.0, 18.0 / 50.0
    tensors["signal_valid"][:] = 1.0
    assert DrivingChoice(TINY, RIG.vehicle).index(joint, _scores(0.2), tensors) == NEAR


def test_a_passed_stop_line_does_not_count() -> None:
    tensors, joint = _tensors(6.0), _two_plans(6.0)
    tensors["signal"][SignalIndex.RED], tensors["signal_valid"][:] = 1.0, 1.0
    assert DrivingChoice(TINY, RIG.vehicle).index(joint, _scores(0.2), tensors) == FAR


def test_a_rejected_candidate_is_not_chosen() -> None:
    tensors, joint = _tensors(6.0), _two_plans(6.0)
    tensors["agents_valid"][0] = 1.0
    size = [AgentIndex.X_M, AgentIndex.Y_M, AgentIndex.COS, AgentIndex.LENGTH_M, AgentIndex.WIDTH_M]
    tensors["agents"][0, size] = 12.0, 0.0, 1.0, 4.0, 1.8
    joint[NEAR, 1, :, 1] = 8.0  # in this joint future the agent leaves the lane
    assert DrivingChoice(TINY, RIG.vehicle).index(joint, _scores(0.2), tensors) == NEAR


@pytest.mark.parametrize("frame", [20, 24, 30])
def test_it_chooses_the_candidate_that_the_planner_executes(frame: int, monkeypatch: pytest.MonkeyPatch) -> None:
    planner = Planner.load(model_folder("tiny"), RIG, PlannerConfig(num_threads=1, selection="scorer"))
    seen: dict[str, Any] = {}
    rank_in_planner = planner._chooser.rank

    def watched(validated: Any, futures: Any, scene: Any, *rest: Any) -> Any:
        seen.update(futures=futures, scene=scene)
        return rank_in_planner(validated, futures, scene, *rest)

    monkeypatch.setattr(planner._chooser, "rank", watched)
    chosen = planner.plan(snapshot(frame, speed_mps=6.0)).chosen
    futures, scene = seen["futures"], seen["scene"]
    agents = agent_tensors(scene.tracks, scene.agent_pose_A3, len(scene.tracks))
    known = scene.features | scene.observation | agents
    subscores = planner.backend.score(futures.pose_MKT3, scene.features, scene.observation, agents)
    tensors = {name: known[name][0] for name in SCORER_INPUTS}
    assert chosen >= 0
    assert DrivingChoice(planner.contract, planner.vehicle).index(futures.pose_MKT3, subscores, tensors) == chosen
