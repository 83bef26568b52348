"""Draws joint futures by denoising from step K to 0 within the available time.

Network and schedule are independent: the sampler calls ``predict_noise`` at every denoise step. All randomness is the
argument ``noise``, seeded from the run seed and the frame's stamp, so the same frame gives the same samples. After every
step ``steps_that_fit`` gives the number of further steps. If fewer steps fit than remain, sampling continues with longer
deterministic steps; if none fits, it ends with the x0 estimate of the last step.

Samplers: "ddpm" is the ancestral chain of training (with all its steps, exactly), "ddim" takes deterministic steps of first
order, "dpm-solver++" of second order (``noise_schedule``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SAMPLERS
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule, pairs_between

Array = NDArray[np.float32]
PredictNoise = Callable[[Array, int], Array]
StepsThatFit = Callable[[], int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Denoised joint samples.

    Attributes:
        x0_MNP: In model space.
        num_steps: Denoise steps that were computed.
        intermediate_KMNP: The x0 estimate of every step, in order; empty unless requested.
    """

    x0_MNP: Array
    num_steps: int
    intermediate_KMNP: list[Array] = field(default_factory=list)


def draw_noise(run_seed: int, stamp_ns: int, shape: tuple[int, ...], num_steps: int) -> Array:
    """Draw Gaussian noise (num_steps, *shape): the start sample, then one for each ancestral step except the last."""
    seed = np.random.SeedSequence([run_seed, stamp_ns & 0xFFFFFFFF, (stamp_ns >> 32) & 0xFFFFFFFF])
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((num_steps, *shape), dtype=np.float32)


def sample_plans(
    predict_noise: PredictNoise,
    schedule: NoiseSchedule,
    noise: Array,
    *,
    num_steps: int,
    sampler: str = "ddpm",
    steps_that_fit: StepsThatFit | None = None,
    return_intermediates: bool = False,
) -> Sample:
    """Denoise M joint samples.

    Args:
        predict_noise: (samples, denoise step k) -> predicted noise, same shape.
        schedule: The training schedule.
        noise: Result of ``draw_noise``; noise[0] is the start sample.
        num_steps: Denoise steps, at most those of the schedule.
        sampler: Of ``core.contract.SAMPLERS``.
        steps_that_fit: Called after every step: number of further steps that the time permits; None means no limit.
        return_intermediates: Whether to return the x0 estimate of every step, for visualization.
    """
    assert sampler in SAMPLERS
    x, intermediates, used = noise[0], [], 0
    last: tuple[Array, int] | None = None
    pairs = schedule.pairs(num_steps)
    while pairs:
        k, k_prev = pairs.pop(0)
        eps = predict_noise(x, k)
        used += 1
        x0 = schedule.predict_x0(x, eps, k)
        if return_intermediates:
            intermediates.append(x0)
        fitting = len(pairs) if steps_that_fit is None else max(steps_that_fit(), 0)
        if fitting < len(pairs):
            (_, k_prev), *pairs = pairs_between(k, fitting + 1)
            sampler = "ddim" if sampler == "ddpm" else sampler
        if sampler == "ddpm":
            x = schedule.ancestral_step(x, x0, k, k_prev, noise[used] if k_prev > 0 else None)
        elif sampler == "ddim":
            x = schedule.ddim_step(x, x0, k, k_prev)
        else:
            x, last = schedule.second_order_step(x, x0, k, k_prev, last), (x0, k)
    return Sample(x0_MNP=np.asarray(x, dtype=np.float32), num_steps=used, intermediate_KMNP=intermediates)
