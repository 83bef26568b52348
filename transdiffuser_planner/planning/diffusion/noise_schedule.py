"""The DDPM noise schedule: saved with the weights, identical in training and at run time.

Notation of Ho et al. 2020, with k the denoise step, 1..K (the paper's T; T here means plan steps):
    x_k = sqrt(alpha_bar_k) x_0 + sqrt(1 - alpha_bar_k) eps
    x_{k-1} = 1/sqrt(alpha_k) (x_k - (1 - alpha_k)/sqrt(1 - alpha_bar_k) eps_hat) + sigma_k z,
    sigma_k^2 = (1 - alpha_bar_{k-1}) / (1 - alpha_bar_k) (1 - alpha_k)
and for fewer steps the deterministic steps between any k and k_prev: DDIM (Song et al. 2021) and, of second order,
DPM-Solver++ 2M (Lu et al. 2022).
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
SPACING_POWER = 1.3
"""Few steps lie closer together at low noise, where the plans' details are decided (as in Karras et al. 2022)."""


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
        """Return the (k, k_prev) pairs of ``num_steps`` steps, from K down to 0."""
        return pairs_between(self.num_steps, num_steps)

    def predict_x0(self, x: Array, eps: Array, k: int) -> Array:
        """Estimate x_0 from a noisy sample and its noise, clipped to the range of normalized plans."""
        a = self.alpha_bar_K1[k]
        estimate = (x - np.float32(np.sqrt(1.0 - a)) * eps) * np.float32(1.0 / np.sqrt(a))
        return np.asarray(np.clip(estimate, -MAX_X0, MAX_X0))

    def ancestral_step(self, x: Array, x0: Array, k: int, k_prev: int, noise: Array | None) -> Array:
        """One DDPM step, written with the x0 estimate (equal to the formula above when nothing is clipped).

        Args:
            x: Sample at k.
            x0: Its x0 estimate.
            k: Denoise step of the sample.
            k_prev: Denoise step of the result, smaller than k.
            noise: z, or None at the last step.
        """
        weight_x0, weight_x, sigma = self.posterior(k, k_prev)
        mean = np.float32(weight_x0) * x0 + np.float32(weight_x) * x
        if noise is None or k_prev == 0:
            return np.asarray(mean)
        return np.asarray(mean + np.float32(sigma) * noise)

    def posterior(self, k: int, k_prev: int) -> tuple[float, float, float]:
        """Return weights of the x0 estimate and of the sample in the mean of a DDPM step, and its standard deviation.

        Args:
            k: Denoise step of the sample.
            k_prev: Denoise step of the result, smaller than k.
        """
        a, a_prev = self.alpha_bar_K1[k], self.alpha_bar_K1[k_prev]
        alpha = a / a_prev
        weight_x0 = np.sqrt(a_prev) * (1.0 - alpha) / (1.0 - a)
        weight_x = np.sqrt(alpha) * (1.0 - a_prev) / (1.0 - a)
        return float(weight_x0), float(weight_x), float(np.sqrt((1.0 - a_prev) / (1.0 - a) * (1.0 - alpha)))

    def ddim_step(self, x: Array, x0: Array, k: int, k_prev: int) -> Array:
        """One deterministic DDIM step between any two denoise steps, from a sample at k and its x0 estimate."""
        a, a_prev = self.alpha_bar_K1[k], self.alpha_bar_K1[k_prev]
        direction = (x - np.float32(np.sqrt(a)) * x0) * np.float32(1.0 / np.sqrt(1.0 - a))
        return np.asarray(np.float32(np.sqrt(a_prev)) * x0 + np.float32(np.sqrt(1.0 - a_prev)) * direction)

    def second_order_step(self, x: Array, x0: Array, k: int, k_prev: int, last: tuple[Array, int] | None) -> Array:
        """One multistep step of DPM-Solver++ 2M, with lambda_k = log(sqrt(alpha_bar_k) / sqrt(1 - alpha_bar_k)).

        Args:
            x: Sample at k.
            x0: Its x0 estimate.
            k: Denoise step of the sample.
            k_prev: Denoise step of the result, smaller than k; at 0 the result is the x0 estimate.
            last: x0 estimate and denoise step of the step before; None at the first one, which is then of first order.
        """
        if k_prev == 0:
            return x0
        a, a_prev = self.alpha_bar_K1[k], self.alpha_bar_K1[k_prev]
        h = _log_snr(a_prev) - _log_snr(a)
        if last is not None:
            h_last = _log_snr(a) - _log_snr(self.alpha_bar_K1[last[1]])
            x0 = x0 + np.float32(0.5 * h / h_last) * (x0 - last[0])
        ratio = np.sqrt((1.0 - a_prev) / (1.0 - a))
        return np.asarray(np.float32(ratio) * x - np.float32(np.sqrt(a_prev) * np.expm1(-h)) * x0)

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
    """Return the (k, k_prev) pairs from ``k_first`` down to 0 in at most ``num_steps`` steps, denser towards 0."""
    count = min(num_steps, k_first)
    marks = [0]
    for left in range(1, count + 1):
        spaced = round(k_first * (left / count) ** SPACING_POWER)
        marks.append(min(max(spaced, marks[-1] + 1), k_first - (count - left)))
    return list(itertools.pairwise(reversed(marks)))


def _log_snr(alpha_bar: float) -> float:
    """Half the logarithm of the ratio of signal to noise."""
    return 0.5 * float(np.log(alpha_bar / (1.0 - alpha_bar)))
