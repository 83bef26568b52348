"""Draws joint futures by walking the noise schedule backwards.

The network and the schedule do not know each other: the walk asks ``predict_noise`` at every denoise step. All
randomness
comes in as ``noise``, seeded from the run seed and the frame's stamp, so the same frame gives the same samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.pipeline.noise_schedule import NoiseSchedule

Array = NDArray[np.float32]
PredictNoise = Callable[[Array, int], Array]


def draw_noise(run_seed: int, stamp_ns: int, shape: tuple[int, ...], num_steps: int) -> Array:
    """Gaussian noise (num_steps, *shape): the start sample, then one for each ancestral step but the last."""
    seed = np.random.SeedSequence([run_seed, stamp_ns & 0xFFFFFFFF, (stamp_ns >> 32) & 0xFFFFFFFF])
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((num_steps, *shape), dtype=np.float32)


def sample_plans(predict_noise: PredictNoise, schedule: NoiseSchedule, noise: Array, *, num_steps: int) -> Array:
    """Denoise M joint samples.

    Args:
        predict_noise: (samples, denoise step k) -> predicted noise, same shape.
        schedule: The training schedule.
        noise: From ``draw_noise``; noise[0] is the start sample.
        num_steps: The full number of training steps walks the ancestral DDPM chain; fewer steps walk DDIM.

    Returns:
        Clean samples in model space.
    """
    x = noise[0]
    ancestral = num_steps >= schedule.num_steps
    for i, (k, k_prev) in enumerate(schedule.pairs(min(num_steps, schedule.num_steps))):
        eps = predict_noise(x, k)
        if ancestral:
            x = schedule.ancestral_step(x, eps, k, k_prev, noise[i + 1] if k_prev > 0 else None)
        else:
            x = schedule.ddim_step(x, eps, k, k_prev)
    return np.asarray(x, dtype=np.float32)
