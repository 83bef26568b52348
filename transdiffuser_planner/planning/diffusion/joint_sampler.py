"""Draws joint futures of ego and agents: noise in, denoised and guided samples, poses out.

One sampler for the planning cycle, for stored samples, for calibration and for validation during training; they differ only
in the network that predicts the noise. Letters: K denoise steps, M samples, N = 1 + A tokens with the ego first, T plan
steps, P = T x 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract, plan_spec
from transdiffuser_planner.planning.diffusion.guidance import GuidanceTarget, guided
from transdiffuser_planner.planning.diffusion.maneuver_guidance import ManeuverGuidance, guided_to
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.planning.diffusion.sampler import (
    PredictNoise,
    Sample,
    StepsThatFit,
    draw_noise,
    sample_plans,
)
from transdiffuser_planner.planning.observation.action_token_features import ActionTokenFeatures

Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class JointSampler:
    """The sampling of one model.

    Attributes:
        contract: Sizes of all tensors.
        schedule: Noise of every denoise step.
        normalizer: From model space to poses.
    """

    contract: ModelContract
    schedule: NoiseSchedule
    normalizer: PlanNormalizer

    def noise(self, run_seed: int, stamp_ns: int, *batch: int, sampler: str = "ddpm") -> Array:
        """Draw the Gaussian noise of all denoise steps; the same seed and stamp give the same start samples.

        Args:
            run_seed: Seed of the run.
            stamp_ns: Stamp of the frame.
            batch: Leading sizes, (M,) for one scene or (B, M) for many.
            sampler: Of ``core.contract.SAMPLERS``; the deterministic ones need the start samples only.

        Returns:
            (K or 1, *batch, 1 + A, P) with all agents of the contract.
        """
        shape = (*batch, *plan_spec(self.contract).shape)
        return draw_noise(run_seed, stamp_ns, shape, self.schedule.num_steps if sampler == "ddpm" else 1)

    def target(self, path: ActionTokenFeatures | None, weight: float) -> GuidanceTarget | None:
        """Build the guidance target of action tokens; None without tokens or weight.

        Args:
            path: Path of the action tokens, in base_link.
            weight: Guidance weight, 0 .. 1.
        """
        return GuidanceTarget.of(path, self.normalizer, weight)

    def walk(
        self,
        predict_noise: PredictNoise,
        noise: Array,
        *,
        sampler: str = "ddpm",
        num_steps: int | None = None,
        target: GuidanceTarget | None = None,
        maneuver: ManeuverGuidance | None = None,
        steps_that_fit: StepsThatFit | None = None,
        return_intermediates: bool = False,
    ) -> Sample:
        """Denoise joint samples.

        Args:
            predict_noise: (samples, denoise step k) -> predicted noise, same shape.
            noise: Result of ``noise``, or a part of its candidates and agents.
            sampler: Of ``core.contract.SAMPLERS``.
            num_steps: Denoise steps; None: all steps of the schedule.
            target: Plan that guides the ego's samples.
            maneuver: Guides the ego's samples to start, to stop or to the route, after the target.
            steps_that_fit: Called after every step: number of further steps that the time permits; None means no limit.
            return_intermediates: Whether to return the x0 estimate of every step.
        """
        num_steps = num_steps or self.schedule.num_steps
        by_target = guided(predict_noise, target, self.schedule, num_steps)
        return sample_plans(
            guided_to(by_target, maneuver, self.schedule, num_steps),
            self.schedule,
            noise,
            num_steps=num_steps,
            sampler=sampler,
            steps_that_fit=steps_that_fit,
            return_intermediates=return_intermediates,
        )

    def poses(self, sample_MNP: Array, agent_origin_A3: FloatArray) -> FloatArray:
        """Convert samples from model space to poses (M, 1 + A, T, 3) in base_link, the ego first.

        Args:
            sample_MNP: In model space.
            agent_origin_A3: Present pose of every agent in base_link.
        """
        return self.normalizer.to_poses(sample_MNP, agent_origin_A3)
