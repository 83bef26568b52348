"""One planning cycle, from a snapshot to a checked trajectory. ``Planner.plan`` is the whole story on one screen."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.contract import (
    NUM_AGENT_FEATURES,
    AgentIndex,
    ModelContract,
    check_tensors,
    observation_specs,
    plan_spec,
)
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    Candidates,
    EgoState,
    FallbackRung,
    PlanResult,
    PredictedAgents,
    Provenance,
    SensorSnapshot,
    Trajectory,
)
from transdiffuser_planner.pipeline.agent_tracker import AgentTracker, Track, nearest_tracks
from transdiffuser_planner.pipeline.clearance import FAR_M, ObstacleField, agent_clearance
from transdiffuser_planner.pipeline.detection import decode_detections
from transdiffuser_planner.pipeline.fallback import motion_along, shifted_plan, stop_along
from transdiffuser_planner.pipeline.features import FeatureBuilder
from transdiffuser_planner.pipeline.noise_schedule import NoiseSchedule
from transdiffuser_planner.pipeline.normalization import PlanNormalizer
from transdiffuser_planner.pipeline.postprocess import poses_to_frame, to_trajectory
from transdiffuser_planner.pipeline.safety import collision_faults, kinematic_faults, verdict
from transdiffuser_planner.pipeline.sampler import draw_noise, sample_plans
from transdiffuser_planner.pipeline.selection import Ranking, SelectionInputs, rank
from transdiffuser_planner.pipeline.smoothing import PlanSmoother, SmoothPlans
from transdiffuser_planner.runtime.manifest import load_manifest
from transdiffuser_planner.runtime.onnx_backend import OnnxBackend

FloatArray = NDArray[np.float64]
Tensors = dict[str, NDArray[np.float32]]

_MOVING_MPS = 0.5


class StageTimes:
    """Milliseconds per named stage of a cycle."""

    def __init__(self) -> None:
        self.stage_ms: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """End the stage that has been running since the last lap."""
        now = time.perf_counter()
        self.stage_ms[stage] = (now - self._last) * 1e3
        self._last = now


@dataclass(frozen=True, kw_only=True, slots=True)
class _Scene:
    """What one cycle perceived, in base_link."""

    points_N3: NDArray[np.float32]
    observation: Tensors
    features: Tensors
    bev_probability_KLL: NDArray[np.float32]
    tracks: list[Track]
    agent_pose_A3: FloatArray
    obstacles: ObstacleField


@dataclass(frozen=True, kw_only=True, slots=True)
class _Judged:
    """Smoothed plans with their clearances and verdict."""

    plans: SmoothPlans
    obstacle_clearance_MF: FloatArray
    agent_clearance_MF: FloatArray
    accepted_M: NDArray[np.bool_]
    feasible_M: NDArray[np.bool_]
    reason_M: tuple[str, ...]


class Planner:
    """Plans with one model; holds the agent tracker and the last accepted plan between cycles. Not thread-safe."""

    def __init__(self, backend: OnnxBackend, rig: Rig, config: PlannerConfig) -> None:
        manifest = backend.manifest
        self.backend = backend
        self.config = config
        self.contract: ModelContract = manifest.contract
        self._features = FeatureBuilder(self.contract, rig)
        self._normalizer = PlanNormalizer.from_json(manifest.read_json("normalizer.json"))
        self._schedule = NoiseSchedule.from_json(manifest.read_json("noise_schedule.json"))
        self._smoother = PlanSmoother(self.contract)
        self._tracker = AgentTracker()
        self._last_accepted: Trajectory | None = None
        self._last_stamp_ns: int | None = None

    @staticmethod
    def load(model_dir: str | Path, rig: Rig, config: PlannerConfig) -> Planner:
        """Check a model folder, load its graphs and warm them up.

        Raises:
            ModelError: The folder is incomplete or altered, or the execution provider is not available.
        """
        manifest = load_manifest(model_dir)
        planner = Planner(OnnxBackend(manifest, config.provider, config.num_threads), rig, config)
        planner.warm_up()
        return planner

    def reset(self) -> None:
        """Forget agents and the last plan, as after a clock jump."""
        self._tracker.reset()
        self._last_accepted, self._last_stamp_ns = None, None

    def warm_up(self) -> None:
        """Run the graphs once on zeros, so that the first real plan is as fast as later ones."""
        observation = {
            name: np.zeros((1, *spec.shape), dtype=np.float32)
            for name, spec in observation_specs(self.contract).items()
        }
        encoded = self.backend.encode(observation)
        self._sample(observation, encoded, [], np.zeros((0, 3)), stamp_ns=0)

    def plan(self, snapshot: SensorSnapshot) -> PlanResult:
        """Plan once.

        Args:
            snapshot: Aligned inputs; stamps must not run backwards (``reset`` first).

        Returns:
            A trajectory that passed the safety check, or a fallback that says so, with everything it came from.

        Raises:
            ModelError: The model itself failed.
        """
        times = StageTimes()
        if self._last_stamp_ns is not None and snapshot.stamp_ns < self._last_stamp_ns:
            self.reset()
        self._last_stamp_ns = snapshot.stamp_ns
        scene = self._perceive(snapshot, times)
        pose_MKT3 = self._sample(
            scene.observation, scene.features, scene.tracks, scene.agent_pose_A3, snapshot.stamp_ns
        )
        times.lap("denoise")
        num_agents = len(scene.tracks)
        judged = self._judge(pose_MKT3[:, 0], pose_MKT3[:, 1 : 1 + num_agents], scene, snapshot.ego)
        ranking = self._rank(judged, scene, snapshot)
        times.lap("select")
        plans, index, rung, reason = self._choose(judged, ranking, scene, snapshot.ego)
        trajectory = to_trajectory(plans, index, snapshot.ego)
        if rung in (FallbackRung.NONE, FallbackRung.LAST_PLAN):
            self._remember(trajectory, rung)
        times.lap("safety")
        return PlanResult(
            trajectory=trajectory,
            candidates=self._candidates(judged, ranking, snapshot.ego),
            agents=self._agents(scene, pose_MKT3[:, 1 : 1 + num_agents], snapshot.ego),
            chosen=index if rung == FallbackRung.NONE else -1,
            rung=rung,
            reason=reason,
            provenance=self._provenance(snapshot, times),
            bev_probability_KLL=scene.bev_probability_KLL,
        )

    def _perceive(self, snapshot: SensorSnapshot, times: StageTimes) -> _Scene:
        """Features, encoder, agents and obstacles."""
        points = self._features.points(snapshot)
        observation = self._features.build(snapshot, points)
        check_tensors(observation, observation_specs(self.contract), "observation")
        times.lap("features")
        encoded = self.backend.encode(observation)
        times.lap("encode")
        detections = decode_detections(
            encoded["agent_heatmap"][0], encoded["agent_box"][0], self.contract, self.config.detection_threshold
        )
        tracks, agent_pose_A3 = nearest_tracks(
            self._tracker.update(detections, snapshot.ego), snapshot.ego, self.contract.num_agents
        )
        moving = [
            [*pose, track.length_m, track.width_m]
            for track, pose in zip(tracks, agent_pose_A3, strict=True)
            if abs(track.speed_mps) > _MOVING_MPS
        ]
        obstacles = ObstacleField.from_points(points, np.asarray(moving, dtype=np.float64).reshape(-1, 5))
        times.lap("agents")
        return _Scene(
            points_N3=points,
            observation=observation,
            features=encoded,
            bev_probability_KLL=_softmax(encoded["bev_logits"][0]),
            tracks=tracks,
            agent_pose_A3=agent_pose_A3,
            obstacles=obstacles,
        )

    def _sample(
        self, observation: Tensors, features: Tensors, tracks: list[Track], agent_pose_A3: FloatArray, stamp_ns: int
    ) -> FloatArray:
        """Joint futures (M, 1 + A, T, 3) in base_link, the ego first."""
        agents = agent_tensors(tracks, agent_pose_A3, self.contract)
        condition = self.backend.condition(features, observation, agents)
        shape = (self.config.num_candidates, *plan_spec(self.contract).shape)
        noise = draw_noise(self.config.run_seed, stamp_ns, shape, self._schedule.num_steps)
        noise[0] *= np.float32(self.config.noise_scale)
        sample = sample_plans(
            lambda x, k: self.backend.predict_noise(x, k, condition),
            self._schedule,
            noise,
            num_steps=self.config.num_denoise_steps,
        )
        if not np.isfinite(sample).all():
            raise ModelError(f"model {self.backend.manifest.name}: denoising gave NaN or infinite values")
        origin_A3 = np.zeros((self.contract.num_agents, 3))
        origin_A3[: len(agent_pose_A3)] = agent_pose_A3
        return self._normalizer.to_poses(sample, origin_A3)

    def _judge(self, ego_MT3: FloatArray, agent_MAT3: FloatArray, scene: _Scene, ego: EgoState) -> _Judged:
        plans = self._smoother.smooth(ego_MT3, max(ego.vx_mps, 0.0))
        return self._judge_plans(plans, agent_MAT3, scene, ego)

    def _judge_plans(self, plans: SmoothPlans, agent_MAT3: FloatArray, scene: _Scene, ego: EgoState) -> _Judged:
        """Clearances and safety verdict of smooth plans."""
        obstacle = scene.obstacles.clearance(plans.pose_MF3)
        agents = self._agent_clearance(plans, agent_MAT3, scene)
        faults = kinematic_faults(plans, self.config)
        feasible = verdict(faults).accepted_M
        faults |= collision_faults(plans, obstacle, agents, max(ego.vx_mps, 0.0), self.config)
        result = verdict(faults)
        return _Judged(
            plans=plans,
            obstacle_clearance_MF=obstacle,
            agent_clearance_MF=agents,
            accepted_M=result.accepted_M,
            feasible_M=feasible,
            reason_M=result.reason_M,
        )

    def _agent_clearance(self, plans: SmoothPlans, agent_MAT3: FloatArray, scene: _Scene) -> FloatArray:
        """Smallest clearance (M, F) to agents ahead or beside; who follows behind must keep the distance."""
        relevant = [
            i
            for i, (track, pose) in enumerate(zip(scene.tracks, scene.agent_pose_A3, strict=True))
            if pose[0] > -1.0 and track.score >= self.config.detection_threshold
        ]
        if not relevant:
            return np.full(plans.speed_MF.shape, FAR_M)
        path = np.stack([self._at_fine_times(agent_MAT3[:, i], scene.agent_pose_A3[i]) for i in relevant], axis=1)
        length = np.asarray([scene.tracks[i].length_m for i in relevant])
        width = np.asarray([scene.tracks[i].width_m for i in relevant])
        return np.asarray(agent_clearance(plans.pose_MF3, path, length, width).min(axis=1))

    def _at_fine_times(self, path_MT3: FloatArray, pose_3: FloatArray) -> FloatArray:
        """Agent paths (M, T, 3) interpolated at the smoother's times, starting from the present pose."""
        start = np.broadcast_to(pose_3, (len(path_MT3), 1, 3))
        knots = np.concatenate([start, path_MT3], axis=1)
        position = self._smoother.time_s_F / self.contract.plan_interval_s
        left = np.minimum(position.astype(np.intp), knots.shape[1] - 2)
        part = (position - left)[None, :, None]
        return np.asarray(knots[:, left] * (1.0 - part) + knots[:, left + 1] * part)

    def _rank(self, judged: _Judged, scene: _Scene, snapshot: SensorSnapshot) -> Ranking:
        route_valid = scene.observation["route_valid"][0] > 0.0
        route = scene.observation["route"][0][route_valid].astype(np.float64)
        previous = None
        if self._last_accepted is not None and self._plan_age_s(snapshot.ego) <= self.config.max_plan_age_s:
            previous = shifted_plan(self._last_accepted, snapshot.ego, self._smoother.time_s_F)
        inputs = SelectionInputs(
            obstacle_clearance_MF=judged.obstacle_clearance_MF,
            agent_clearance_MF=judged.agent_clearance_MF,
            bev_probability_KLL=scene.bev_probability_KLL,
            route_R2=route if len(route) >= 2 else None,
            signal=snapshot.signal,
            previous_F3=previous,
        )
        return rank(judged.plans, judged.feasible_M, inputs, self.contract, self.config)

    def _choose(
        self, judged: _Judged, ranking: Ranking, scene: _Scene, ego: EgoState
    ) -> tuple[SmoothPlans, int, FallbackRung, str]:
        """The best accepted candidate, else the first rung of the fallback ladder that is free of collisions."""
        for index in ranking.order_M:
            if judged.accepted_M[index]:
                return judged.plans, int(index), FallbackRung.NONE, ""
        reason = f"all {len(ranking.order_M)} candidates rejected; the best for: {judged.reason_M[ranking.order_M[0]]}"
        speed = max(ego.vx_mps, 0.0)
        no_agents = np.zeros((1, len(scene.tracks), self.contract.num_plan_steps, 3))
        no_agents += scene.agent_pose_A3[None, :, None, :]
        path = judged.plans.pose_MF3[ranking.order_M[0]]
        if self._last_accepted is not None and self._plan_age_s(ego) <= self.config.max_plan_age_s:
            last = shifted_plan(self._last_accepted, ego, self._smoother.time_s_F)
            if last is not None:
                path = last
                plans = motion_along(last, self._smoother.time_s_F, speed)
                if self._judge_plans(plans, no_agents, scene, ego).accepted_M[0]:
                    return plans, 0, FallbackRung.LAST_PLAN, reason
        path = path if np.isfinite(path).all() else np.zeros_like(path)
        gentle = stop_along(path, speed, self.config.comfort_decel_mps2, self._smoother.time_s_F, self.config)
        clear = min(
            scene.obstacles.clearance(gentle.pose_MF3).min(), self._agent_clearance(gentle, no_agents, scene).min()
        )
        if clear > 0.0 or speed < _MOVING_MPS:
            return gentle, 0, FallbackRung.COMFORT_STOP, reason
        hard = stop_along(path, speed, self.config.emergency_decel_mps2, self._smoother.time_s_F, self.config)
        return hard, 0, FallbackRung.EMERGENCY_STOP, reason

    def _plan_age_s(self, ego: EgoState) -> float:
        """Age of the last accepted plan; only called when there is one."""
        assert self._last_accepted is not None
        return (ego.stamp_ns - self._last_accepted.stamp_ns) * 1e-9

    def _remember(self, trajectory: Trajectory, rung: FallbackRung) -> None:
        """Keep a model plan for the next cycle; a continued plan keeps its age, so that it cannot continue for ever."""
        if rung == FallbackRung.NONE:
            self._last_accepted = trajectory

    def _candidates(self, judged: _Judged, ranking: Ranking, ego: EgoState) -> Candidates:
        every = round(self.contract.plan_interval_s / self._smoother.step_s)
        pose_MT3 = judged.plans.pose_MF3[:, every - 1 :: every]
        return Candidates(
            frame_id=ego.frame_id,
            pose_MT3=poses_to_frame(pose_MT3, ego),
            time_s_T=self.contract.plan_times_s,
            probability_M=ranking.probability_M,
            rejected_M=~judged.accepted_M,
            cost_terms=ranking.cost_terms,
        )

    def _agents(self, scene: _Scene, path_MAT3: FloatArray, ego: EgoState) -> PredictedAgents:
        tracks = scene.tracks
        return PredictedAgents(
            frame_id=ego.frame_id,
            id_A=np.asarray([track.track_id for track in tracks], dtype=np.uint32),
            class_A=np.asarray([track.agent_class for track in tracks], dtype=np.int8),
            existence_A=np.asarray([track.score for track in tracks], dtype=np.float64),
            pose_A3=poses_to_frame(scene.agent_pose_A3, ego),
            speed_A=np.asarray([track.speed_mps for track in tracks], dtype=np.float64),
            speed_known_A=np.asarray([track.speed_known for track in tracks], dtype=np.bool_),
            length_m_A=np.asarray([track.length_m for track in tracks], dtype=np.float64),
            width_m_A=np.asarray([track.width_m for track in tracks], dtype=np.float64),
            path_MAT3=poses_to_frame(path_MAT3, ego),
            time_s_T=self.contract.plan_times_s,
        )

    def _provenance(self, snapshot: SensorSnapshot, times: StageTimes) -> Provenance:
        manifest = self.backend.manifest
        return Provenance(
            snapshot_stamp_ns=snapshot.stamp_ns,
            ages_ns=snapshot.ages_ns,
            missing=snapshot.missing,
            seed=self.config.run_seed,
            model_name=manifest.name,
            model_hash=manifest.model_hash,
            provider=self.backend.provider,
            num_candidates=self.config.num_candidates,
            num_denoise_steps=self.config.num_denoise_steps,
            stage_ms=times.stage_ms,
        )


def agent_tensors(tracks: list[Track], pose_A3: FloatArray, contract: ModelContract) -> Tensors:
    """The conditioner's agent inputs from tracks nearest first; see ``core.contract.agent_specs``."""
    features = np.zeros((contract.num_agents, NUM_AGENT_FEATURES), dtype=np.float32)
    valid = np.zeros(contract.num_agents, dtype=np.float32)
    for row, (track, pose) in enumerate(zip(tracks, pose_A3, strict=True)):
        features[row, AgentIndex.X_M], features[row, AgentIndex.Y_M] = pose[0], pose[1]
        features[row, AgentIndex.COS], features[row, AgentIndex.SIN] = np.cos(pose[2]), np.sin(pose[2])
        features[row, AgentIndex.SPEED_MPS] = track.speed_mps
        features[row, AgentIndex.SPEED_KNOWN] = float(track.speed_known)
        features[row, AgentIndex.LENGTH_M], features[row, AgentIndex.WIDTH_M] = track.length_m, track.width_m
        features[row, AgentIndex.CLASS + track.agent_class] = 1.0
        valid[row] = 1.0
    return {"agents": features[None], "agents_valid": valid[None]}


def _softmax(logits_KLL: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities over the first axis."""
    shifted = np.exp(logits_KLL - logits_KLL.max(axis=0, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=0, keepdims=True))
