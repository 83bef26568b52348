"""Samples joint futures of ego and agents for a scene, with as many denoise steps as the time budget allows.

The candidates are split into one share per thread (on a GPU there is one for all); every share runs its own chain of denoise
steps, so threads synchronize once per cycle and not once per operator.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import NUM_AGENT_FEATURES, AgentIndex, ModelContract, plan_spec
from transdiffuser_planner.core.driving_style import with_style
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.planning.diffusion.guidance import GuidanceTarget
from transdiffuser_planner.planning.diffusion.maneuver_guidance import ManeuverGuidance
from transdiffuser_planner.planning.diffusion.sampler import Sample
from transdiffuser_planner.planning.perception.agent_tracker import Track
from transdiffuser_planner.runtime.cycle.perception import PerceivedScene
from transdiffuser_planner.runtime.cycle.time_budget import CycleBudget, StageCosts
from transdiffuser_planner.runtime.inference.backend import InferenceBackend

Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]
Tensors = Mapping[str, Array]
Guidance = tuple[GuidanceTarget | None, ManeuverGuidance | None]

_UNKNOWN_STEP_MS = 5.0
_WARM_STEPS = 3
DENOISE = "denoise"
"""StageCosts group of the denoise steps of all sizes."""
AFTER_SAMPLING = "after sampling"
"""Group and stage of the rest of the cycle, from the last denoise step to the plan."""
_UNKNOWN_AFTER_MS = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class JointSamples:
    """Sampled joint futures.

    Attributes:
        pose_MKT3: (M, 1 + A, T, 3) in base_link, the ego first, then the scene's agents.
        num_steps: Fewest denoise steps of any share.
        intermediate_SMT3: The ego's x0 estimates (M, T, 3) after each step, in base_link; empty unless requested.
    """

    pose_MKT3: FloatArray
    num_steps: int
    intermediate_SMT3: list[FloatArray]


class CandidateSampler:
    """Samples with one model and measures the cost of its denoise steps.

    Args:
        backend: Executes the model's networks.
        contract: Sizes of all tensors.
        costs: Receives the durations.
        num_threads: Most shares that run in parallel; no more than the backend gains from.
    """

    def __init__(self, backend: InferenceBackend, contract: ModelContract, costs: StageCosts, num_threads: int) -> None:
        self._backend, self._contract, self._costs = backend, contract, costs
        self._joint = backend.manifest.sampler()
        self._num_shares = min(num_threads, backend.parallel_shares)
        # The calling thread runs one of the shares itself.
        self._helpers = ThreadPoolExecutor(max_workers=max(self._num_shares - 1, 1), thread_name_prefix="denoise")

    def warm_up(self, features: Tensors, observation: Tensors, config: PlannerConfig) -> None:
        """Load the graphs for every size that a configuration can lead to, run each and measure its cost.

        Args:
            features: Encoder outputs of any scene, for example zeros.
            observation: Model inputs of the same scene.
            config: Number of candidates.
        """
        _, numbers = plan_spec(self._contract).shape
        for num_agents in agent_slots(self._contract):
            no_agents = agent_tensors([], np.zeros((0, 3)), num_agents)
            condition = self._backend.condition(features, observation, no_agents)
            noise = np.zeros((1, config.num_candidates, 1 + num_agents, numbers), dtype=np.float32)
            for num_steps in (1, min(_WARM_STEPS, config.num_denoise_steps)):  # the first run allocates
                self._sample_shares(noise, condition, "ddim", num_steps, None)

    def draw(self, stamp_ns: int, config: PlannerConfig) -> Future[Array]:
        """Start to draw the noise of a frame, in parallel to perception.

        Args:
            stamp_ns: The frame's stamp; with the run seed it determines the noise.
            config: Number of candidates and run seed.

        Returns:
            Future of the noise.
        """
        count = config.num_candidates
        return self._helpers.submit(self._joint.noise, config.run_seed, stamp_ns, count, sampler=config.sampler)

    def sample(
        self,
        scene: PerceivedScene,
        drawn: Future[Array],
        config: PlannerConfig,
        budget: CycleBudget | None = None,
        *,
        speed_mps: float = 0.0,
        return_intermediates: bool = False,
    ) -> JointSamples | None:
        """Joint futures of a scene; None when not even one denoise step fits into the budget.

        Args:
            scene: Result of perception.
            drawn: Result of ``draw`` for the frame, with the same configuration.
            config: Numbers of candidates and steps, threads, seed.
            budget: Time by which the plan must be ready; None has no limit.
            speed_mps: Present speed, for guidance to start and to stop.
            return_intermediates: Whether to return the x0 estimates of all steps.

        Raises:
            ModelError: The model failed or returned numbers that are not finite.
        """
        num_agents = len(scene.tracks)
        slots = next(count for count in agent_slots(self._contract) if count >= num_agents)
        agents = agent_tensors(scene.tracks, scene.agent_pose_A3, slots)
        observation = with_style(scene.observation, config.driving_style)
        condition = self._backend.condition(scene.features, observation, agents)
        num_steps = self._affordable_steps(config, slots, budget)
        if num_steps < 1:
            return None
        noise = drawn.result()[:, :, : 1 + slots]
        noise[0] *= np.float32(config.temperature)

        target = self._joint.target(scene.token_path, config.token_guidance_weight)
        maneuver = self._maneuver(scene, config, speed_mps)
        samples = self._sample_shares(
            noise,
            condition,
            config.sampler,
            num_steps,
            budget,
            (target, maneuver),
            return_intermediates=return_intermediates,
        )
        x0_MNP = np.concatenate([sample.x0_MNP for sample in samples])
        if not np.isfinite(x0_MNP).all():
            raise ModelError(f"model {self._backend.manifest.name}: denoising returned NaN or infinite values")
        origin_A3 = np.zeros((slots, 3))
        origin_A3[:num_agents] = scene.agent_pose_A3
        estimates = zip(*(sample.intermediate_KMNP for sample in samples), strict=False)
        return JointSamples(
            pose_MKT3=self._joint.poses(x0_MNP, origin_A3)[:, : 1 + num_agents],
            num_steps=min(sample.num_steps for sample in samples),
            intermediate_SMT3=[self._joint.poses(np.concatenate(parts), origin_A3)[:, 0] for parts in estimates],
        )

    def _maneuver(self, scene: PerceivedScene, config: PlannerConfig, speed_mps: float) -> ManeuverGuidance | None:
        """Guidance to start, to stop or to the route, if any is on; without it the route is not read."""
        if not ManeuverGuidance.is_on(config):
            return None
        is_route_R = scene.observation["route_valid"][0] > 0.0
        route_R2 = scene.observation["route"][0][is_route_R].astype(np.float64)
        time_s_T = self._contract.plan_times_s
        return ManeuverGuidance.of(config, self._joint.normalizer, time_s_T, speed_mps, route_R2)

    def _sample_shares(
        self,
        noise: Array,
        condition: Tensors,
        sampler: str,
        num_steps: int,
        budget: CycleBudget | None,
        guidance: Guidance = (None, None),
        *,
        return_intermediates: bool = False,
    ) -> list[Sample]:
        """Run every thread's share of the candidates through the denoise steps and measure the cost of a step."""
        num_candidates, tokens = noise.shape[1:3]
        shares = [np.ascontiguousarray(noise[:, part]) for part in candidate_shares(num_candidates, self._num_shares)]
        started = time.perf_counter()
        rest = (condition, sampler, num_steps, budget, guidance, return_intermediates)
        others = [self._helpers.submit(self._walk, share, *rest) for share in shares[1:]]
        first = self._walk(shares[0], *rest)
        samples = [first, *(other.result() for other in others)]
        step_ms = (time.perf_counter() - started) * 1e3 / min(sample.num_steps for sample in samples)
        self._costs.observe(DENOISE, _step_name(num_candidates, tokens - 1), step_ms)
        return samples

    def _affordable_steps(self, config: PlannerConfig, slots: int, budget: CycleBudget | None) -> int:
        """Denoise steps of all candidates that fit the budget."""
        if budget is None:
            return config.num_denoise_steps
        # The usual cost, not the upper: the walk checks the clock after every step.
        step_ms = self._costs.usual_ms(DENOISE, _step_name(config.num_candidates, slots), _UNKNOWN_STEP_MS)
        fitting = int(budget.left_ms(self._after_ms()) // step_ms)
        return max(min(fitting, config.num_denoise_steps), 0)

    def _after_ms(self) -> float:
        """Time to reserve for the rest of the cycle."""
        return self._costs.upper_ms(AFTER_SAMPLING, AFTER_SAMPLING, _UNKNOWN_AFTER_MS)

    def _walk(
        self,
        noise: Array,
        condition: Tensors,
        sampler: str,
        num_steps: int,
        budget: CycleBudget | None,
        guidance: Guidance,
        return_intermediates: bool,
    ) -> Sample:
        """Run one share of the candidates through the denoise steps, with fewer steps when the budget runs out."""
        started, made = time.perf_counter(), itertools.count(1)

        def steps_that_fit() -> int:
            assert budget is not None
            step_ms = (time.perf_counter() - started) * 1e3 / next(made)
            return int(budget.left_ms(self._after_ms()) // step_ms)

        return self._joint.walk(
            lambda x, k: self._backend.predict_noise(x, k, condition),
            noise,
            sampler=sampler,
            num_steps=num_steps,
            target=guidance[0],
            maneuver=guidance[1],
            steps_that_fit=None if budget is None else steps_that_fit,
            return_intermediates=return_intermediates,
        )


def agent_slots(contract: ModelContract) -> tuple[int, ...]:
    """Numbers of agents that graphs are loaded for; a scene uses the smallest that fits its agents."""
    return tuple(range(contract.num_agents + 1))


def _step_name(num_candidates: int, num_agents: int) -> str:
    """StageCosts name of a denoise step of this size."""
    return f"denoise step {num_candidates}x{1 + num_agents}"


def candidate_shares(num_candidates: int, num_threads: int) -> list[slice]:
    """Split the candidates into consecutive shares of nearly equal size, one per thread."""
    edges = np.linspace(0, num_candidates, min(num_threads, num_candidates) + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(edges)]


def agent_tensors(tracks: list[Track], pose_A3: FloatArray, num_slots: int) -> Tensors:
    """Build the conditioner's agent inputs; see ``core.contract.agent_specs``.

    Args:
        tracks: Nearest first.
        pose_A3: Their poses in base_link (m, m, rad).
        num_slots: Agents of the tensors, the rest being masked.
    """
    features = np.zeros((num_slots, NUM_AGENT_FEATURES), dtype=np.float32)
    valid = np.zeros(num_slots, dtype=np.float32)
    for row, (track, pose) in enumerate(zip(tracks, pose_A3, strict=True)):
        features[row, AgentIndex.X_M], features[row, AgentIndex.Y_M] = pose[0], pose[1]
        features[row, AgentIndex.COS], features[row, AgentIndex.SIN] = np.cos(pose[2]), np.sin(pose[2])
        features[row, AgentIndex.SPEED_MPS] = track.speed_mps
        features[row, AgentIndex.SPEED_KNOWN] = float(track.speed_known)
        features[row, AgentIndex.LENGTH_M], features[row, AgentIndex.WIDTH_M] = track.length_m, track.width_m
        features[row, AgentIndex.CLASS + track.agent_class] = 1.0
        valid[row] = 1.0
    return {"agents": features[None], "agents_valid": valid[None]}
