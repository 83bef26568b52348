"""Guides samples to start, to stop or to keep to the route's center line, at every denoise step, by a weight.

As with action tokens (``guidance.py``) the predicted noise is interpolated towards that of a target plan; here every sample has
its own target, made from its x_0 estimate:

- start: a sample that ends nearer than a reference distance goes that far, along the route;
- stop: a sample goes no farther than braking with a given deceleration permits, along its own path;
- center line: from a time on, a sample's poses lie on the route, as far along it as before.

The three are those of Autoware's diffusion planner (``autoware_diffusion_planner``, ``inference/guidance``). A stop counts more
than a start. Letters: M samples, T plan steps, P = T x 3, R route points.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.geometry import arc_length, project_onto_polyline, resample_polyline
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.planning.diffusion.guidance import ego_plans, pull, steps_replaced
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.planning.diffusion.sampler import PredictNoise

Array = NDArray[np.float32]
FloatArray = NDArray[np.float64]

_LEAST_ROUTE_M = 1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ManeuverGuidance:
    """Guidance of one cycle.

    Attributes:
        config: Which guidance is on, with its numbers.
        normalizer: The model's.
        time_s_T: Times of the plan steps.
        speed_mps: Present speed.
        route_R2: Route ahead in base_link, m; None without one.
    """

    config: PlannerConfig
    normalizer: PlanNormalizer
    time_s_T: FloatArray
    speed_mps: float
    route_R2: FloatArray | None

    @staticmethod
    def is_on(config: PlannerConfig) -> bool:
        """Whether any guidance to a maneuver is on."""
        return config.start_guidance or config.stop_guidance or config.centerline_guidance

    @staticmethod
    def of(
        config: PlannerConfig,
        normalizer: PlanNormalizer,
        time_s_T: FloatArray,
        speed_mps: float,
        route_R2: FloatArray | None,
    ) -> ManeuverGuidance | None:
        """Return the guidance, or None if all of it is off.

        Args:
            config: Which guidance is on.
            normalizer: The model's.
            time_s_T: Times of the plan steps.
            speed_mps: Present speed.
            route_R2: Route ahead in base_link, m; None or short: straight ahead.
        """
        if not ManeuverGuidance.is_on(config):
            return None
        is_line = route_R2 is not None and len(route_R2) >= 2 and arc_length(route_R2)[-1] >= _LEAST_ROUTE_M
        return ManeuverGuidance(
            config=config,
            normalizer=normalizer,
            time_s_T=time_s_T,
            speed_mps=max(speed_mps, 0.0),
            route_R2=route_R2 if is_line else None,
        )

    def target(self, pose_MT3: FloatArray) -> FloatArray:
        """Return the target plans of sampled ones.

        Args:
            pose_MT3: x, y, heading in base_link.

        Returns:
            The same shape; samples that ask for nothing are unchanged.
        """
        wanted_MT3 = pose_MT3
        if self.config.centerline_guidance and self.route_R2 is not None:
            wanted_MT3 = self._centered(wanted_MT3)
        if self.config.start_guidance and not self.config.stop_guidance:
            wanted_MT3 = self._started(wanted_MT3)
        if self.config.stop_guidance:
            wanted_MT3 = self._stopped(wanted_MT3)
        return wanted_MT3

    def _started(self, pose_MT3: FloatArray) -> FloatArray:
        """Samples that end too near move off along the route with constant acceleration."""
        is_short_M = np.hypot(*pose_MT3[:, -1, :2].T) < self.config.start_guidance_distance_m
        if not is_short_M.any():
            return pose_MT3
        return np.asarray(np.where(is_short_M[:, None, None], self._ahead_T3, pose_MT3))

    @functools.cached_property
    def _ahead_T3(self) -> FloatArray:
        """The plan that moves off, the same at every denoise step."""
        distance_m, end_s = self.config.start_guidance_distance_m, float(self.time_s_T[-1])
        accel = 2.0 * (distance_m - self.speed_mps * end_s) / end_s**2
        s_T = np.maximum(self.speed_mps * self.time_s_T + 0.5 * accel * self.time_s_T**2, 0.0)
        route_R2 = np.asarray([[0.0, 0.0], [1.0, 0.0]]) if self.route_R2 is None else self.route_R2
        begin_m = float(project_onto_polyline(route_R2, np.zeros((1, 2)))[0][0])
        ahead_T3 = _poses_along(route_R2, begin_m + s_T)
        beside_2 = _poses_along(route_R2, np.asarray([begin_m]))[0, :2]
        ahead_T3[:, :2] -= beside_2 * (1.0 - np.clip(s_T / distance_m, 0.0, 1.0))[:, None]  # gradually onto the route
        return ahead_T3

    def _stopped(self, pose_MT3: FloatArray) -> FloatArray:
        """Samples go no farther along their own path than a stop with the given deceleration."""
        decel = self.config.stop_guidance_decel_mps2
        time_s_T = np.minimum(self.time_s_T, self.speed_mps / decel)
        most_T = self.speed_mps * time_s_T - 0.5 * decel * time_s_T**2
        path_MK3 = np.concatenate([np.zeros((len(pose_MT3), 1, 3)), pose_MT3], axis=1)
        stopped = np.array(pose_MT3)
        for m, path_K3 in enumerate(path_MK3):
            s_K = arc_length(path_K3[:, :2])
            s_T = np.minimum(s_K[1:], most_T)
            stopped[m] = np.stack([np.interp(s_T, s_K, path_K3[:, axis]) for axis in range(3)], axis=-1)
        return stopped

    def _centered(self, pose_MT3: FloatArray) -> FloatArray:
        """From the start time on, samples lie on the route where their projections are."""
        assert self.route_R2 is not None
        late_T = self.time_s_T >= self.config.centerline_guidance_start_s
        points = pose_MT3[:, late_T, :2].reshape(-1, 2)
        s_X = project_onto_polyline(self.route_R2, points)[0] if len(points) else np.zeros(0)
        centered = np.array(pose_MT3)
        on_route = _poses_along(self.route_R2, s_X).reshape(len(pose_MT3), -1, 3)
        turn = on_route[..., 2] - centered[:, late_T, 2]
        on_route[..., 2] = centered[:, late_T, 2] + (turn + np.pi) % (2.0 * np.pi) - np.pi
        centered[:, late_T] = on_route
        return centered


def _poses_along(line_R2: FloatArray, s_X: FloatArray) -> FloatArray:
    """Poses (X, 3) at arc lengths of a polyline, straight on beyond its end."""
    s_R = arc_length(line_R2)
    edge_2 = np.diff(line_R2, axis=0)
    heading_E = np.unwrap(np.arctan2(edge_2[:, 1], edge_2[:, 0]))
    middle_E = (s_R[:-1] + s_R[1:]) / 2.0
    heading_X = np.interp(s_X, middle_E, heading_E)
    beyond_X = np.maximum(s_X - s_R[-1], 0.0)
    direction_2 = np.asarray([np.cos(heading_E[-1]), np.sin(heading_E[-1])])
    xy_X2 = resample_polyline(line_R2, s_X) + beyond_X[:, None] * direction_2
    return np.concatenate([xy_X2, heading_X[:, None]], axis=-1)


def guided_to(
    predict_noise: PredictNoise, maneuver: ManeuverGuidance | None, schedule: NoiseSchedule, num_steps: int
) -> PredictNoise:
    """Guide the ego's samples by a maneuver.

    Args:
        predict_noise: (samples (M, N, P), denoise step k) -> predicted noise, same shape.
        maneuver: None returns ``predict_noise`` unchanged.
        schedule: The training schedule; the weight is that of one of its steps.
        num_steps: Denoise steps of the walk; of fewer, each guides as much as the ones that it replaces.
    """
    if maneuver is None:
        return predict_noise
    replaced = steps_replaced(schedule, num_steps)
    weight = np.float32(1.0 - (1.0 - maneuver.config.maneuver_guidance_weight) ** replaced)
    normalizer = maneuver.normalizer

    def predict(x_MNP: Array, k: int) -> Array:
        eps_MNP: Array = predict_noise(x_MNP, k).copy()
        x0_MP = schedule.predict_x0(x_MNP[:, 0], eps_MNP[:, 0], k)
        pose_MT3 = normalizer.to_poses(x0_MP[:, None], np.zeros((0, 3)))[:, 0]
        plan_MP = ego_plans(maneuver.target(pose_MT3), normalizer)
        pull(eps_MNP[:, 0], x_MNP[:, 0], plan_MP, weight, schedule.alpha_bar_K1[k])
        return eps_MNP

    return predict
