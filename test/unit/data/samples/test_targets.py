"""Labels as the networks learn them."""

import numpy as np

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.contract import NUM_AGENT_FEATURES, TINY, AgentIndex
from transdiffuser_planner.data.samples.sample_set import NUM_LABEL_AGENTS
from transdiffuser_planner.data.samples.targets import (
    agent_origins,
    detection_targets,
    fit_normalizer,
    joint_plan,
    visible_agents,
)
from transdiffuser_planner.planning.perception.detection_decoder import decode_detections

STEPS = TINY.num_plan_steps


def make_labels(poses: list[tuple[float, float, float]], points: int = 50) -> dict[str, np.ndarray]:
    """One sample with agents that drive straight ahead at 4 m/s."""
    batch = {
        "gt_agents_known": np.ones(1, dtype=bool),
        "gt_agents": np.zeros((1, NUM_LABEL_AGENTS, NUM_AGENT_FEATURES), dtype=np.float32),
        "gt_agents_valid": np.zeros((1, NUM_LABEL_AGENTS), dtype=bool),
        "gt_agents_points": np.zeros((1, NUM_LABEL_AGENTS), dtype=np.int32),
        "gt_agents_future": np.zeros((1, NUM_LABEL_AGENTS, STEPS, 3), dtype=np.float32),
        "gt_agents_future_valid": np.zeros((1, NUM_LABEL_AGENTS, STEPS), dtype=bool),
    }
    for row, (x, y, heading) in enumerate(poses):
        agent = batch["gt_agents"][0, row]
        agent[[AgentIndex.X_M, AgentIndex.Y_M]] = x, y
        agent[[AgentIndex.COS, AgentIndex.SIN]] = np.cos(heading), np.sin(heading)
        agent[[AgentIndex.LENGTH_M, AgentIndex.WIDTH_M]] = 4.5, 1.8
        agent[AgentIndex.CLASS + AgentClass.CAR] = 1.0
        batch["gt_agents_valid"][0, row], batch["gt_agents_points"][0, row] = True, points
        distance = 4.0 * TINY.plan_times_s
        batch["gt_agents_future"][0, row, :, 0] = x + distance * np.cos(heading)
        batch["gt_agents_future"][0, row, :, 1] = y + distance * np.sin(heading)
        batch["gt_agents_future"][0, row, :, 2] = heading
        batch["gt_agents_future_valid"][0, row] = True
    return batch


def test_decoding_perfect_head_outputs_returns_the_labelled_boxes() -> None:
    poses = [(12.3, 4.6, 0.4), (-7.9, -3.2, -2.8), (25.0, -20.1, 1.5)]
    target = detection_targets(make_labels(poses), TINY)
    heat = np.clip(target["heat"][0], 1e-4, 1.0 - 1e-4)
    found = decode_detections(np.log(heat / (1.0 - heat)), target["box"][0], TINY, threshold=0.9)
    order = np.argsort(found.pose_D3[:, 0])
    expected = np.asarray(sorted(poses))
    np.testing.assert_allclose(found.pose_D3[order], expected, atol=1e-3)
    np.testing.assert_allclose(found.length_m_D, 4.5, atol=1e-3)


def test_agents_without_points_are_neither_taught_nor_forbidden() -> None:
    target = detection_targets(make_labels([(10.0, 0.0, 0.0)], points=0), TINY)
    assert target["heat"].max() == 0.0
    assert target["ignore"].sum() > 0


def test_where_agents_were_not_labeled_their_absence_is_not_learned() -> None:
    batch = make_labels([])
    assert detection_targets(batch, TINY)["ignore"].sum() == 0
    batch["gt_agents_known"][:] = False
    assert detection_targets(batch, TINY)["ignore"].all()


def test_visible_agents_come_first_and_hidden_ones_are_masked() -> None:
    batch = make_labels([(5.0, 0.0, 0.0), (9.0, 1.0, 0.0), (12.0, 2.0, 0.0)])
    batch["gt_agents_points"][0, 0] = 0
    agents = visible_agents(batch, TINY)
    np.testing.assert_allclose(agents["agents"][0, :2, AgentIndex.X_M], [9.0, 12.0])
    np.testing.assert_array_equal(agents["agents_valid"][0], [1, 1, 0, 0, 0, 0, 0, 0])


def test_joint_plan_and_back_recovers_the_futures() -> None:
    rng = np.random.default_rng(0)
    batch = make_labels([(8.0, 3.0, 0.7), (15.0, -4.0, 3.0)])
    agents = visible_agents(batch, TINY)
    plan = np.cumsum(rng.random((1, STEPS, 3)).astype(np.float32), axis=1)
    normalizer = fit_normalizer(rng.random((50, STEPS, 3)).astype(np.float32), agents)
    joint, mask = joint_plan(plan, np.ones((1, STEPS), dtype=bool), agents, normalizer)
    poses = normalizer.to_poses(joint, agent_origins(agents["agents"])[0])
    np.testing.assert_allclose(poses[0, 0], plan[0], atol=1e-4)
    np.testing.assert_allclose(poses[0, 1:3, :, :2], agents["future"][0, :2, :, :2], atol=1e-3)
    assert mask[0, :3].all() and not mask[0, 3:].any()


def test_steps_after_an_agent_disappears_are_masked() -> None:
    batch = make_labels([(8.0, 3.0, 0.0)])
    batch["gt_agents_future_valid"][0, 0, 3] = False
    agents = visible_agents(batch, TINY)
    plan = np.zeros((1, STEPS, 3), dtype=np.float32)
    normalizer = fit_normalizer(
        np.ones((9, STEPS, 3), dtype=np.float32), visible_agents(make_labels([(8.0, 3.0, 0.0)]), TINY)
    )
    _, mask = joint_plan(plan, np.ones((1, STEPS), dtype=bool), agents, normalizer)
    np.testing.assert_array_equal(mask[0, 1].reshape(STEPS, 3).all(axis=1), np.arange(STEPS) < 3)
