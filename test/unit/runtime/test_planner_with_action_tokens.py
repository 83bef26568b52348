"""The shipped model on a plain follows action tokens that turn or stop; without tokens it continues straight on."""

from dataclasses import replace

import numpy as np
import pytest
from straight_drive import RIG, snapshot

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import ActionTokenPath
from transdiffuser_planner.planning import action_codebook
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.planner import Planner

MODEL = model_folder("tiny")
FRAME = 20
SPEED_MPS = 6.0
TIME_S = 0.5 * np.arange(1, 9)


def _turn(side: float) -> np.ndarray:
    """A quarter of a circle of 12 m, then straight on."""
    heading = np.clip(SPEED_MPS * TIME_S / 12.0, 0.0, 0.5 * np.pi)
    after = np.maximum(SPEED_MPS * TIME_S - 12.0 * 0.5 * np.pi, 0.0)
    return np.stack([12.0 * np.sin(heading), side * (12.0 * (1.0 - np.cos(heading)) + after), side * heading], axis=-1)


def _stop() -> np.ndarray:
    until = np.minimum(TIME_S, SPEED_MPS / 2.5)
    return np.stack([SPEED_MPS * until - 1.25 * until**2, np.zeros(8), np.zeros(8)], axis=-1)


def _planned(path_T3: np.ndarray | None, **changes: object) -> np.ndarray:
    """End points of the candidates, (M, 2) in base_link."""
    config = PlannerConfig(num_threads=1, **changes)  # type: ignore[arg-type]
    planner = Planner.load(MODEL, RIG, config)
    seen = snapshot(FRAME, speed_mps=SPEED_MPS)
    if path_T3 is not None:
        assert planner.codebook is not None
        pose_S3 = planner.codebook.decode(planner.codebook.encode(path_T3[None]))[0]
        seen = replace(seen, action_token_path=ActionTokenPath(stamp_ns=seen.stamp_ns, pose_S3=pose_S3, interval_s=0.5))
    candidates = planner.plan(seen).candidates
    return np.asarray(candidates.pose_MT3[:, -1, :2] - [seen.ego.x_m, seen.ego.y_m])


@pytest.mark.parametrize("instructed_T3", [_turn(1.0), _turn(-1.0), _stop()], ids=["turn left", "turn right", "stop"])
def test_most_candidates_end_at_the_instructed_position(instructed_T3: np.ndarray) -> None:
    conditioned, unconditioned = _planned(instructed_T3), _planned(None)
    gap = np.hypot(*(conditioned - instructed_T3[-1, :2]).T), np.hypot(*(unconditioned - instructed_T3[-1, :2]).T)
    assert np.mean(gap[0] < 2.0) > 0.8 and np.mean(gap[1] < 2.0) < 0.2


def test_action_tokens_condition_the_decoder_too() -> None:
    """Without guidance of the samples."""
    instructed_T3 = _turn(1.0)
    conditioned = _planned(instructed_T3, token_guidance_weight=0.0)
    unconditioned = _planned(None, token_guidance_weight=0.0)
    assert np.median(conditioned[:, 1]) > np.median(unconditioned[:, 1]) + 2.0


def test_the_path_of_action_tokens_is_joined_once_per_cycle(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    original = action_codebook.compose_pose
    monkeypatch.setattr(action_codebook, "compose_pose", lambda *poses: calls.append(1) or original(*poses))
    planner = Planner.load(MODEL, RIG, PlannerConfig(num_threads=1, num_candidates=4, num_denoise_steps=1))
    seen = snapshot(FRAME, speed_mps=SPEED_MPS)
    path = ActionTokenPath(stamp_ns=seen.stamp_ns, pose_S3=_turn(1.0), interval_s=0.5)
    planner.plan(replace(seen, action_token_path=path))
    assert len(calls) == planner.contract.num_plan_steps
