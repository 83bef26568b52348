"""One planning cycle, from a snapshot to a validated trajectory. ``Planner.plan`` is the whole story on one screen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract, observation_specs
from transdiffuser_planner.core.driving_style import style_refusal
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.fallback_cause import NO_STEP
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import FallbackLevel, PlanResult, Provenance, SensorSnapshot
from transdiffuser_planner.planning.safety.fallback_selection import plan_age_s, recent_plan, select_fallback
from transdiffuser_planner.planning.safety.plan_validation import (
    validate_plans,
)
from transdiffuser_planner.planning.trajectory.output_frame import poses_to_frame, to_trajectory
from transdiffuser_planner.planning.trajectory.smoothing import PlanSmoother
from transdiffuser_planner.runtime.cycle.candidate_sampler import (
    AFTER_SAMPLING,
    CandidateSampler,
    JointSamples,
    agent_tensors,
)
from transdiffuser_planner.runtime.cycle.frame_encoder import FrameEncoder, PreparedFrame
from transdiffuser_planner.runtime.cycle.perception import PerceivedScene, Perception
from transdiffuser_planner.runtime.cycle.plan_chooser import PlanChooser
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

    A cycle has two halves, and one thread may ``prepare`` the next frame while another ``finish``es the last.

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
        knows_style = self.contract.score_condition
        refusal = style_refusal(config.driving_style, backend.manifest.name, knows_style=knows_style)
        if refusal:
            raise ConfigError(refusal)
        self.codebook = backend.manifest.codebook()
        self.top_speed_mps = backend.manifest.top_speed_mps()
        self.memory = PlanHistory() if memory is None else memory
        self.costs = StageCosts()
        self.vehicle = rig.vehicle
        self._encoder = FrameEncoder(backend, rig)
        self._perception = Perception(self.contract, rig.vehicle)
        self._sampler = CandidateSampler(backend, self.contract, self.costs, config.num_threads)
        self._smoother = PlanSmoother(self.contract)
        self._chooser = PlanChooser(backend, self.contract, rig.vehicle, self._smoother.time_s_F)
        self._last_stamp_ns: int | None = None

    @staticmethod
    def load(
        model_dir: str | Path,
        rig: Rig,
        config: PlannerConfig,
        memory: PlanHistory | None = None,
        *,
        operator_threads: int | None = None,
    ) -> Planner:
        """Check a model folder, load its graphs and warm them up.

        Args:
            model_dir: The folder.
            rig: The vehicle and its sensors.
            config: All tunables; provider, precision and threads take effect here, the rest with every cycle.
            memory: Plan history, shared with other planners of the same vehicle; None makes a new one.
            operator_threads: Threads within an operator; None for the configuration's number.

        Raises:
            ModelError: The folder is incomplete or altered, or the execution provider is not available.
            ConfigError: The backend is unknown or cannot be imported.
        """
        manifest = load_manifest(model_dir)
        threads = config.num_threads if operator_threads is None else operator_threads
        planner = Planner(make_backend(manifest, replace(config, num_threads=threads)), rig, config, memory)
        planner.warm_up()
        return planner

    @property
    def vehicle_notice(self) -> str:
        """One-line warning when the vehicle differs too much from the one the scorer was trained for, else ""."""
        return beyond_scorer(self.backend.manifest.vehicle, self.vehicle) if self.backend.has_scorer else ""

    def reset(self) -> None:
        """Discard agents, the last plan and the place on the route, as after a clock jump."""
        self.reset_prepared()
        self.reset_finished()

    def reset_prepared(self) -> None:
        """Discard what the first half of a cycle remembers: the place on the route."""
        self._encoder.reset()
        self._last_stamp_ns = None

    def reset_finished(self) -> None:
        """Discard what the second half of a cycle remembers: agents and the last plan."""
        self._perception.reset()
        self.memory.reset()

    def warm_up(self) -> None:
        """Load every graph and run each on zeros, so that the first real plan is as fast as later ones."""
        observation = {
            name: np.zeros((1, *spec.shape), dtype=np.float32)
            for name, spec in observation_specs(self.contract).items()
        }
        features = self.backend.encode(observation)
        self._sampler.warm_up(features, observation, self.config)
        if self.backend.has_scorer or self.config.selection != "rules":
            no_agents = agent_tensors([], np.zeros((0, 3)), 0)
            still = np.zeros((self.config.num_candidates, 1, self.contract.num_plan_steps, 3))
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
        if self.goes_back(snapshot):
            self.reset()
        frame = self.prepare(snapshot)
        return self.finish(frame, budget, is_stopping=is_stopping, return_intermediates=return_intermediates)

    def goes_back(self, snapshot: SensorSnapshot) -> bool:
        """Whether a snapshot is older than the last one that was prepared."""
        return self._last_stamp_ns is not None and snapshot.stamp_ns < self._last_stamp_ns

    def prepare(self, snapshot: SensorSnapshot) -> PreparedFrame:
        """Run the first half of a cycle, which needs nothing of the cycle before: unpack, features, encoder.

        Args:
            snapshot: Aligned inputs, in order of stamps.

        Raises:
            ModelError: The encoder failed.
            InputError: Too few images can be decoded.
        """
        self._last_stamp_ns = snapshot.stamp_ns
        unpacked = self._encoder.unpack(snapshot, self.config.min_cameras)
        drawn = self._sampler.draw(snapshot.stamp_ns, self.config)
        return PreparedFrame(encoded=self._encoder.encode(unpacked), drawn=drawn)

    def finish(
        self,
        frame: PreparedFrame,
        budget: CycleBudget | None = None,
        *,
        is_stopping: bool = False,
        return_intermediates: bool = False,
    ) -> PlanResult:
        """Run the second half of a cycle: agents, candidates, the best of them.

        Args:
            frame: Result of ``prepare``, in the same order.
            budget: As for ``plan``.
            is_stopping: As for ``plan``.
            return_intermediates: As for ``plan``.

        Raises:
            ModelError: The model failed.
        """
        encoded, drawn = frame.encoded, frame.drawn
        snapshot, times, config = encoded.snapshot, encoded.times, self.config
        ego = snapshot.ego
        times.resume()
        scene = self._perception.perceive(encoded, config.detection_threshold)
        times.lap("agents")
        futures = self._sampler.sample(
            scene, drawn, config, budget, speed_mps=ego.vx_mps, return_intermediates=return_intermediates
        )
        times.lap("denoise")
        if futures is None:
            return self._without_samples(scene, snapshot, times, is_stopping)
        around = self._chooser.around(scene, futures.pose_MKT3[:, 1:], config)
        smooth = self._smoother.smooth(futures.pose_MKT3[:, 0], max(ego.vx_mps, 0.0))
        validated = validate_plans(smooth, around, ego, config)
        last_F3 = recent_plan(self.memory.accepted, ego, self._smoother.time_s_F, config)
        ranking = self._chooser.rank(validated, futures, scene, snapshot, last_F3, config)
        times.lap("select")
        plans, index, fallback_level, reason = self._chooser.choose(
            validated, ranking, scene, ego, last_F3, config, is_stopping=is_stopping
        )
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
        return self._encoder.pop_refused()

    def _without_samples(
        self, scene: PerceivedScene, snapshot: SensorSnapshot, times: StageTimes, is_stopping: bool
    ) -> PlanResult:
        """A fallback when the budget has no room for a single denoise step."""
        self.costs.fade()
        ego = snapshot.ego
        last_F3 = recent_plan(self.memory.accepted, ego, self._smoother.time_s_F, self.config)
        around, time_s_F = self._chooser.around_standing(scene, self.config), self._smoother.time_s_F
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
