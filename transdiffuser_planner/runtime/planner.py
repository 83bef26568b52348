"""One planning cycle, from a snapshot to a validated trajectory. ``Planner.plan`` is the whole story on one screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract, observation_specs
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.fallback_cause import NO_STEP, STOP_REQUESTED, rejection_reason
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import EgoState, FallbackLevel, PlanResult, Provenance, SensorSnapshot
from transdiffuser_planner.planning.safety.fallback_selection import plan_age_s, recent_plan, select_fallback
from transdiffuser_planner.planning.safety.plan_validation import (
    CollisionContext,
    ValidatedPlans,
    at_fine_times,
    standing,
    validate_plans,
)
from transdiffuser_planner.planning.selection.cost_terms import SelectionInputs
from transdiffuser_planner.planning.selection.ranking import Ranking, rank
from transdiffuser_planner.planning.trajectory.output_frame import poses_to_frame, to_trajectory
from transdiffuser_planner.planning.trajectory.smoothing import PlanSmoother, SmoothPlans
from transdiffuser_planner.runtime.cycle.candidate_sampler import (
    AFTER_SAMPLING,
    CandidateSampler,
    JointSamples,
    agent_tensors,
    candidate_counts,
)
from transdiffuser_planner.runtime.cycle.perception import PerceivedScene, Perception
from transdiffuser_planner.runtime.cycle.plan_history import PlanHistory
from transdiffuser_planner.runtime.cycle.results import agents_of, candidates_of, no_candidates
from transdiffuser_planner.runtime.cycle.stage_timer import StageTimes
from transdiffuser_planner.runtime.cycle.time_budget import CycleBudget, StageCosts
from transdiffuser_planner.runtime.inference.backend import InferenceBackend
from transdiffuser_planner.runtime.inference.backend_registry import make_backend
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.vehicle_fit import beyond_scorer

FloatArray = NDArray[np.float64]


class Planner:
    """Plans with one model; holds the agent tracker and the last accepted plan between cycles. Not thread-safe.

    Args:
        backend: Executes the model's networks.
        rig: The vehicle and its sensors.
        config: All tunables; may be replaced between cycles.
        memory: Plan history; None makes a new one.
    """

    def __init__(
        self, backend: InferenceBackend, rig: Rig, config: PlannerConfig, memory: PlanHistory | None = None
    ) -> None:
        self.backend, self.rig = backend, rig
        self.config = config
        self.contract: ModelContract = backend.manifest.contract
        self.codebook = backend.manifest.codebook()
        self.top_speed_mps = backend.manifest.top_speed_mps()
        self.memory = PlanHistory() if memory is None else memory
        self.costs = StageCosts()
        self.vehicle = rig.vehicle
        self._perception = Perception(backend, rig, self.contract)
        self._sampler = CandidateSampler(backend, self.contract, self.costs, config.num_threads)
        self._smoother = PlanSmoother(self.contract)
        self._last_stamp_ns: int | None = None

    @staticmethod
    def load(model_dir: str | Path, rig: Rig, config: PlannerConfig, memory: PlanHistory | None = None) -> Planner:
        """Check a model folder, load its graphs and warm them up.

        Args:
            model_dir: The folder.
            rig: The vehicle and its sensors.
            config: All tunables; provider, precision and threads take effect here, the rest with every cycle.
            memory: Plan history, shared with other planners of the same vehicle; None makes a new one.

        Raises:
            ModelError: The folder is incomplete or altered, or the execution provider is not available.
            ConfigError: The backend is unknown or cannot be imported.
        """
        manifest = load_manifest(model_dir)
        planner = Planner(make_backend(manifest, config), rig, config, memory)
        planner.warm_up()
        return planner

    @property
    def vehicle_notice(self) -> str:
        """One-line warning when the vehicle differs too much from the one the scorer was trained for, else ""."""
        return beyond_scorer(self.backend.manifest.vehicle, self.vehicle) if self.backend.has_scorer else ""

    def reset(self) -> None:
        """Discard agents and the last plan, as after a clock jump."""
        self._perception.reset()
        self.memory.reset()
        self._last_stamp_ns = None

    def warm_up(self) -> None:
        """Load every graph and run each on zeros, so that the first real plan is as fast as later ones."""
        observation = {
            name: np.zeros((1, *spec.shape), dtype=np.float32)
            for name, spec in observation_specs(self.contract).items()
        }
        features = self.backend.encode(observation)
        self._sampler.warm_up(features, observation, self.config)
        if self.backend.has_scorer or self.config.selection == "scorer":
            no_agents = agent_tensors([], np.zeros((0, 3)), 0)
            for count in candidate_counts(self.config):
                still = np.zeros((count, 1, self.contract.num_plan_steps, 3))
                self.backend.score(still, features, observation, no_agents)

    def plan(
        self,
        snapshot: SensorSnapshot,
        budget: CycleBudget | None = None,
        *,
        is_stopping: bool = False,
        return_intermediates: bool = False,
    ) -> PlanResult:
        """Run one planning cycle.

        Args:
            snapshot: Aligned inputs; stamps must not run backwards (``reset`` first).
            budget: Time by which the plan must be ready; None has no limit and is deterministic.
            is_stopping: A stop is requested: stop along the best plan.
            return_intermediates: Whether to return the candidates after every denoise step.

        Returns:
            A validated trajectory, or a fallback with its level and reason; both with their provenance.

        Raises:
            ModelError: The model failed.
            InputError: Too few images can be decoded.
        """
        times, config, ego = StageTimes(), self.config, snapshot.ego
        if self._last_stamp_ns is not None and snapshot.stamp_ns < self._last_stamp_ns:
            self.reset()
        self._last_stamp_ns = snapshot.stamp_ns
        snapshot, lidar = self._perception.unpack(snapshot, config.min_cameras)
        drawn = self._sampler.draw(snapshot.stamp_ns, config)
        scene = self._perception.perceive(snapshot, config.detection_threshold, times, lidar)
        futures = self._sampler.sample(scene, drawn, config, budget, return_intermediates=return_intermediates)
        times.lap("denoise")
        if futures is None:
            return self._without_samples(scene, snapshot, times, is_stopping)
        around = self._around(scene, futures.pose_MKT3[:, 1:])
        smooth = self._smoother.smooth(futures.pose_MKT3[:, 0], max(ego.vx_mps, 0.0))
        validated = validate_plans(smooth, around, ego, config)
        last_F3 = recent_plan(self.memory.accepted, ego, self._smoother.time_s_F, config)
        ranking = self._rank(validated, futures, scene, snapshot, last_F3)
        times.lap("select")
        plans, index, fallback_level, reason = self._choose(validated, ranking, scene, ego, last_F3, is_stopping)
        trajectory = to_trajectory(plans, index, ego)
        times.lap("safety")
        self.costs.observe(AFTER_SAMPLING, AFTER_SAMPLING, times.stage_ms["select"] + times.stage_ms["safety"])
        result = PlanResult(
            trajectory=trajectory,
            candidates=candidates_of(validated, ranking, ego, self.contract),
            agents=agents_of(scene, futures.pose_MKT3[:, 1:], ego, self.contract),
            chosen=index if fallback_level == FallbackLevel.NONE else -1,
            fallback_level=fallback_level,
            reason=reason,
            provenance=self._provenance(snapshot, times, futures, fallback_level),
            bev_probability_KLL=scene.bev_probability_KLL,
            intermediate_SMT3=[poses_to_frame(estimate, ego) for estimate in futures.intermediate_SMT3],
        )
        self.memory.keep(result)
        return result

    def pop_refused(self) -> list[str]:
        """Return and clear why images could not be decoded since the last call."""
        return self._perception.pop_refused()

    def _around(self, scene: PerceivedScene, path_MAT3: FloatArray) -> CollisionContext:
        """Obstacles, and agents ahead or alongside with these paths; agents behind are responsible for their distance."""
        relevant = [
            i
            for i, (track, pose) in enumerate(zip(scene.tracks, scene.agent_pose_A3, strict=True))
            if pose[0] > -self.vehicle.rear_overhang_m and track.score >= self.config.detection_threshold
        ]
        time_s_F, interval_s = self._smoother.time_s_F, self.contract.plan_interval_s
        return CollisionContext(
            vehicle=self.vehicle,
            obstacles=scene.obstacles,
            path_MAF3=at_fine_times(path_MAT3[:, relevant], scene.agent_pose_A3[relevant], time_s_F, interval_s),
            length_m_A=np.asarray([scene.tracks[i].length_m for i in relevant]),
            width_m_A=np.asarray([scene.tracks[i].width_m for i in relevant]),
        )

    def _around_standing(self, scene: PerceivedScene) -> CollisionContext:
        """Obstacles and agents at their present poses, for the collision checks of fallbacks."""
        pose_A3 = scene.agent_pose_A3
        return self._around(scene, standing(pose_A3, self.contract.num_plan_steps))

    def _rank(
        self,
        validated: ValidatedPlans,
        futures: JointSamples,
        scene: PerceivedScene,
        snapshot: SensorSnapshot,
        last_F3: FloatArray | None,
    ) -> Ranking:
        route_valid = scene.observation["route_valid"][0] > 0.0
        route = scene.observation["route"][0][route_valid].astype(np.float64)
        inputs = SelectionInputs(
            vehicle=self.vehicle,
            obstacle_clearance_MF=validated.obstacle_clearance_MF,
            agent_clearance_MF=validated.agent_clearance_MF,
            bev_probability_KLL=scene.bev_probability_KLL,
            route_R2=route if len(route) >= 2 else None,
            signal=snapshot.signal,
            previous_F3=last_F3,
            action_token_path_S3=None if scene.token_path is None else scene.token_path.pose_S3,
            subscore_MQ=self._subscores(futures, scene),
        )
        return rank(validated.plans, validated.feasible_M, inputs, self.contract, self.config)

    def _subscores(self, futures: JointSamples, scene: PerceivedScene) -> FloatArray | None:
        """Sub-scores (M, Q) predicted by the scorer; None when the scorer does not select.

        Raises:
            ModelError: The scorer failed or returned numbers that are not finite.
        """
        if self.config.selection != "scorer":
            return None
        agents = agent_tensors(scene.tracks, scene.agent_pose_A3, len(scene.tracks))
        score_MQ = self.backend.score(futures.pose_MKT3, scene.features, scene.observation, agents)
        if not np.isfinite(score_MQ).all():
            raise ModelError(f"model {self.backend.manifest.name}: the scorer returned NaN or infinite values")
        return score_MQ.astype(np.float64)

    def _choose(
        self,
        validated: ValidatedPlans,
        ranking: Ranking,
        scene: PerceivedScene,
        ego: EgoState,
        last_F3: FloatArray | None,
        is_stopping: bool,
    ) -> tuple[SmoothPlans, int, FallbackLevel, str]:
        """The best accepted candidate, else the first fallback level that is free of collisions."""
        best = next((int(index) for index in ranking.order_M if validated.accepted_M[index]), None)
        if best is not None and not is_stopping:
            return validated.plans, best, FallbackLevel.NONE, ""
        first = int(ranking.order_M[0])
        path_F3 = validated.plans.pose_MF3[first if best is None else best]
        around, time_s_F = self._around_standing(scene), self._smoother.time_s_F
        plans, fallback_level = select_fallback(
            None if is_stopping else last_F3, path_F3, ego, around, time_s_F, self.config
        )
        if is_stopping:
            return plans, 0, fallback_level, STOP_REQUESTED
        return (
            plans,
            0,
            fallback_level,
            rejection_reason(len(ranking.order_M), validated.reason_M[first]),
        )

    def _without_samples(
        self, scene: PerceivedScene, snapshot: SensorSnapshot, times: StageTimes, is_stopping: bool
    ) -> PlanResult:
        """A fallback when the budget has no room for a single denoise step."""
        self.costs.fade()
        ego = snapshot.ego
        last_F3 = recent_plan(self.memory.accepted, ego, self._smoother.time_s_F, self.config)
        around, time_s_F = self._around_standing(scene), self._smoother.time_s_F
        plans, fallback_level = select_fallback(
            None if is_stopping else last_F3, last_F3, ego, around, time_s_F, self.config
        )
        times.lap("safety")
        no_paths = np.zeros((0, len(scene.tracks), self.contract.num_plan_steps, 3))
        return PlanResult(
            trajectory=to_trajectory(plans, 0, ego),
            candidates=no_candidates(ego.frame_id, self.contract),
            agents=agents_of(scene, no_paths, ego, self.contract),
            chosen=-1,
            fallback_level=fallback_level,
            reason=NO_STEP,
            provenance=self._provenance(snapshot, times, None, fallback_level),
            bev_probability_KLL=scene.bev_probability_KLL,
        )

    def _provenance(
        self, snapshot: SensorSnapshot, times: StageTimes, futures: JointSamples | None, fallback_level: FallbackLevel
    ) -> Provenance:
        last = self.memory.accepted
        return replace(
            self.source(),
            snapshot_stamp_ns=snapshot.stamp_ns,
            ages_ns=snapshot.ages_ns,
            missing=snapshot.missing,
            num_candidates=0 if futures is None else len(futures.pose_MKT3),
            num_denoise_steps=0 if futures is None else futures.num_steps,
            plan_age_s=0.0
            if last is None or fallback_level != FallbackLevel.LAST_PLAN
            else plan_age_s(last, snapshot.ego),
            stage_ms=times.stage_ms,
        )

    def source(self) -> Provenance:
        """Provenance of this planner's plans without a snapshot: model, seed, provider."""
        manifest = self.backend.manifest
        return Provenance(
            snapshot_stamp_ns=0,
            ages_ns={},
            missing=(),
            seed=self.config.run_seed,
            model_name=manifest.name,
            model_hash=manifest.model_hash,
            provider=self.backend.provider,
            precision=self.backend.precision,
            sampler=self.config.sampler,
            num_candidates=0,
            num_denoise_steps=0,
            plan_age_s=0.0,
            stage_ms={},
        )
