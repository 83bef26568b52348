"""Everyone who plans in the comparison table: no-learning baselines, trained baselines, the model, its ablations, the expert.

Letters: M plans of a row, 1 + A road users, T plan steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import CONDITION_INPUTS, StatusIndex
from transdiffuser_planner.networks.scene_encoder import FEATURE_NAMES
from transdiffuser_planner.runtime.backend import InferenceBackend
from transdiffuser_planner.runtime.manifest import load_manifest
from transdiffuser_planner.runtime.onnx_backend import OnnxBackend
from transdiffuser_planner.scoring.displacement import constant_velocity_plan
from transdiffuser_planner.training import baselines
from transdiffuser_planner.training.candidates import CandidateSource, Moment
from transdiffuser_planner.training.run import Run
from transdiffuser_planner.training.samples import SampleSet

FloatArray = NDArray[np.float64]
Planned = tuple[FloatArray, float]
"""Joint futures (M, 1 + A or 1, T, 3) in base_link and the milliseconds that planning took."""

MODEL, CONSTANT, EXPERT = "model", "constant_velocity", "expert"
NO_SENSORS = (baselines.MLP, baselines.MLP_ROUTE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Planners:
    """Who plans, as folders: it crosses to other processes.

    Attributes:
        model: The model folder.
        baselines: A run with the stage baselines, trained on the model's encoder.
        ablations: Model folders by name.
        steps: Denoise steps of further rows of the model.
        num_candidates: M of models.
    """

    model: Path
    baselines: Path | None
    ablations: dict[str, Path]
    steps: tuple[int, ...]
    num_candidates: int


class Rows:
    """All planners on the samples of one drive, on one thread."""

    def __init__(self, planners: Planners, samples: Callable[[InferenceBackend], SampleSet]) -> None:
        """Load everybody.

        Args:
            planners: Who plans.
            samples: Opens the drive's samples for a model.
        """
        torch.set_num_threads(1)
        self._count, self._steps = planners.num_candidates, planners.steps
        self._backend = OnnxBackend(load_manifest(planners.model), "cpu", 1)
        self._opened = samples(self._backend)
        self.source = CandidateSource(self._backend, self._opened)
        self._ablations: dict[str, CandidateSource] = {}
        for name, folder in planners.ablations.items():
            backend = OnnxBackend(load_manifest(folder), "cpu", 1)
            self._ablations[name] = CandidateSource(backend, samples(backend))
        self._run = None if planners.baselines is None else Run.open(planners.baselines)
        names = () if self._run is None else baselines.BASELINES
        self._networks = {name: self._run.trained_baseline(name) for name in names} if self._run else {}

    def moment(self, index: int) -> tuple[Moment, dict[str, Planned]]:
        """The model's view of a sample, and every row's plans."""
        start = time.perf_counter()
        moment = self.source.moment(index)
        encode_ms = _since(start)
        planned = {
            CONSTANT: _timed(lambda: self._constant_velocity(moment)),
            EXPERT: (moment.raw["plan"].astype(np.float64)[:, None], 0.0),
        }
        for name in self._networks:
            plan, ms = _timed(lambda name=name: self._baseline(name, moment))  # type: ignore[misc]
            planned[name] = plan, ms + (0.0 if name in NO_SENSORS else encode_ms)
        for steps in (None, *self._steps):
            plan, ms = _timed(lambda steps=steps: self.source.sample(moment, self._count, num_steps=steps))  # type: ignore[misc]
            planned[MODEL if steps is None else f"{MODEL}@{steps}"] = plan, ms + encode_ms
        for name, source in self._ablations.items():
            start = time.perf_counter()
            plan = source.sample(source.moment(index), self._count)
            planned[name] = plan, _since(start)
        return moment, planned

    def predicted_score(self, moment: Moment, joint_MNT3: FloatArray) -> NDArray[np.float32] | None:
        """The model's own opinion of its plans, sub-scores (M, Q); None if it has no scorer."""
        if not self._backend.has_scorer:
            return None
        return self._backend.score(joint_MNT3, moment.features, moment.observation, moment.agents)

    def _constant_velocity(self, moment: Moment) -> FloatArray:
        status = moment.raw["status"].astype(np.float64)
        speed, across = status[:, StatusIndex.VX_MPS], status[:, StatusIndex.AY_MPS2]
        yaw_rate = np.where(speed > 1.0, across / np.maximum(speed, 1.0), 0.0)
        times_s = self._backend.manifest.contract.plan_times_s
        return np.asarray(constant_velocity_plan(speed, yaw_rate, times_s))[:, None]

    @torch.no_grad()
    def _baseline(self, name: str, moment: Moment) -> FloatArray:
        assert self._run is not None
        parts: dict[str, Any] = {key: moment.observation[key] for key in CONDITION_INPUTS} | moment.agents
        parts |= {key: moment.features[key] for key in FEATURE_NAMES}
        batch = {key: torch.from_numpy(np.asarray(value)) for key, value in parts.items()}
        plan_BNP = baselines.predict(self._networks[name], batch).float().numpy()
        return self._run.normalizer().to_poses(plan_BNP[:, :1], np.zeros((0, 3)))


def _timed(plan: Callable[[], FloatArray]) -> Planned:
    start = time.perf_counter()
    return plan(), _since(start)


def _since(start_s: float) -> float:
    return 1000.0 * (time.perf_counter() - start_s)
