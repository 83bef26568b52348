"""The DDPM noise schedule: saved with the weights, identical in training and at run time.

Notation of Ho et al. 2020, with k the denoise step, 1..K (the paper's T; T here means plan steps):
    x_k = sqrt(alpha_bar_k) x_0 + sqrt(1 - alpha_bar_k) eps
    x_{k-1} = 1/sqrt(alpha_k) (x_k - (1 - alpha_k)/sqrt(1 - alpha_bar_k) eps_hat) + sigma_k z,
    sigma_k^2 = (1 - alpha_bar_{k-1}) / (1 - alpha_bar_k) (1 - alpha_k)
and for fewer steps the deterministic DDIM step of Song et al. 2021 between any k and k_prev.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import ModelError

Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]

FINAL_ALPHA_BAR = 0.004
MAX_X0 = 6.0


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseSchedule:
    """alpha_bar_K1: cumulative signal share at k = 0..K, starting with 1 and strictly falling."""

    alpha_bar_K1: tuple[float, ...]

    def __post_init__(self) -> None:
        values = np.asarray(self.alpha_bar_K1)
        if len(values) < 2 or values[0] != 1.0 or not (np.diff(values) < 0.0).all() or values[-1] <= 0.0:
            raise ModelError("noise schedule: alpha_bar must start at 1 and fall strictly towards 0")

    @staticmethod
    def cosine(num_steps: int, final_alpha_bar: float = FINAL_ALPHA_BAR) -> NoiseSchedule:
        """Build the cosine schedule of Nichol and Dhariwal 2021, ended at ``final_alpha_bar`` so that ten steps stay well posed."""
        end = np.arccos(np.sqrt(final_alpha_bar))
        angle = np.linspace(0.0, end, num_steps + 1)
        return NoiseSchedule(alpha_bar_K1=tuple(float(v) for v in np.cos(angle) ** 2))

    @property
    def num_steps(self) -> int:
        """K, the number of denoise steps in training."""
        return len(self.alpha_bar_K1) - 1

    def pairs(self, num_steps: int) -> list[tuple[int, int]]:
        """Return the (k, k_prev) pairs of ``num_steps`` steps, from K down to 0, evenly spread."""
        return pairs_between(self.num_steps, num_steps)

    def predict_x0(self, x: Array, eps: Array, k: int) -> Array:
        """Estimate x_0 from a noisy sample and its noise, clipped to the range of normalized plans."""
        a = self.alpha_bar_K1[k]
        estimate = (x - np.float32(np.sqrt(1.0 - a)) * eps) * np.float32(1.0 / np.sqrt(a))
        return np.asarray(np.clip(estimate, -MAX_X0, MAX_X0))

    def ancestral_step(self, x: Array, eps: Array, k: int, k_prev: int, noise: Array | None) -> Array:
        """One DDPM step, written with the x0 estimate (equal to the formula above when nothing is clipped).

        Args:
            x: Sample at k.
            eps: Predicted noise.
            k: Denoise step of the sample.
            k_prev: Denoise step of the result, smaller than k.
            noise: z, or None at the last step.
        """
        a, a_prev = self.alpha_bar_K1[k], self.alpha_bar_K1[k_prev]
        alpha = a / a_prev
        weight_x0 = np.sqrt(a_prev) * (1.0 - alpha) / (1.0 - a)
        weight_x = np.sqrt(alpha) * (1.0 - a_prev) / (1.0 - a)
        mean = np.float32(weight_x0) * self.predict_x0(x, eps, k) + np.float32(weight_x) * x
        if noise is None or k_prev == 0:
            return np.asarray(mean)
        sigma = np.sqrt((1.0 - a_prev) / (1.0 - a) * (1.0 - alpha))
        return np.asarray(mean + np.float32(sigma) * noise)

    def ddim_step(self, x: Array, eps: Array, k: int, k_prev: int) -> Array:
        """One deterministic DDIM step between any two denoise steps."""
        a, a_prev = self.alpha_bar_K1[k], self.alpha_bar_K1[k_prev]
        x0 = self.predict_x0(x, eps, k)
        direction = (x - np.float32(np.sqrt(a)) * x0) * np.float32(1.0 / np.sqrt(1.0 - a))
        return np.asarray(np.float32(np.sqrt(a_prev)) * x0 + np.float32(np.sqrt(1.0 - a_prev)) * direction)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-serializable form."""
        return {"kind": "ddpm", "prediction": "epsilon", "alpha_bar": list(self.alpha_bar_K1)}

    @staticmethod
    def from_json(data: dict[str, Any]) -> NoiseSchedule:
        """Invert ``to_json``.

        Args:
            data: Result of ``to_json``.

        Raises:
            ModelError: The data is no schedule.
        """
        try:
            return NoiseSchedule(alpha_bar_K1=tuple(float(v) for v in data["alpha_bar"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"noise schedule: not readable ({error}); export the model again") from None


def pairs_between(k_first: int, num_steps: int) -> list[tuple[int, int]]:
    """Return the (k, k_prev) pairs from ``k_first`` down to 0 in at most ``num_steps`` steps, evenly spread."""
    marks = sorted({round(k_first * i / num_steps) for i in range(num_steps + 1)}, reverse=True)
    return list(itertools.pairwise(marks))
