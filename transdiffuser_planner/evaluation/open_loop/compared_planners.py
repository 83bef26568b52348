"""All planners of the comparison table: no-learning baselines, trained baselines, the model, its ablations, the log.

Letters: M plans of a row, 1 + A tokens with the ego first, T plan steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import StatusIndex
from transdiffuser_planner.data.candidates.candidate_source import CandidateFrame, CandidateSource
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.metrics.displacement import constant_velocity_plan
from transdiffuser_planner.planners.planner_names import CONSTANT_TURN_RATE, LOG_FUTURE
from transdiffuser_planner.runtime.inference.backend import InferenceBackend
from transdiffuser_planner.runtime.inference.baseline_model import BASELINES, BaselineModel, load_baseline_manifest
from transdiffuser_planner.runtime.inference.manifest import ModelManifest, load_manifest
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend

FloatArray = NDArray[np.float64]
Planned = tuple[FloatArray, float]
"""Joint futures (M, 1 + A or 1, T, 3) in base_link and the planning time in milliseconds."""

MODEL = "model"


@dataclass(frozen=True, kw_only=True, slots=True)
class Planners:
    """Folders of all planners, to be sent to other processes.

    Attributes:
        model: The model folder.
        baselines: Folder of the exported baselines; None for none.
        ablations: Model folders by name.
        steps: Numbers of denoise steps of additional rows of the model.
        num_candidates: Number M of candidates of models.
    """

    model: Path
    baselines: Path | None
    ablations: dict[str, Path]
    steps: tuple[int, ...]
    num_candidates: int


class Rows:
    """All planners on the samples of one drive, on one thread."""

    def __init__(self, planners: Planners, samples: Callable[[InferenceBackend], SampleSet]) -> None:
        """Load all planners.

        Args:
            planners: Folders of the planners.
            samples: Opens the drive's samples for a model.
        """
        self._count, self._steps = planners.num_candidates, planners.steps
        self._backend = OnnxBackend(load_manifest(planners.model), 1)
        self._opened = samples(self._backend)
        self.source = CandidateSource(self._backend, self._opened)
        self._ablations: dict[str, CandidateSource] = {}
        for name, folder in planners.ablations.items():
            backend = OnnxBackend(load_manifest(folder), 1)
            self._ablations[name] = CandidateSource(backend, samples(backend))
        self._baselines = load_baselines(planners.baselines, self._backend.manifest)

    def plan(self, index: int) -> tuple[CandidateFrame, dict[str, Planned]]:
        """Plan one sample with all planners.

        Args:
            index: Number of the sample.

        Returns:
            The model's inputs of the sample, and the plans of every row.
        """
        start = time.perf_counter()
        frame = self.source.frame(index)
        encode_ms = _since(start)
        planned = {
            CONSTANT_TURN_RATE: _timed(lambda: self._constant_turn_rate(frame)),
            LOG_FUTURE: (frame.raw["plan"].astype(np.float64)[:, None], 0.0),
        }
        for name, baseline in self._baselines.items():
            plan, ms = _timed(lambda baseline=baseline: baseline_plan(baseline, frame)[None, None])  # type: ignore[misc]
            planned[name] = plan, ms + (encode_ms if baseline.manifest.needs_sensors else 0.0)
        for steps in (None, *self._steps):
            fewer = {} if steps is None else {"num_steps": steps}
            plan, ms = _timed(lambda fewer=fewer: self.source.sample(frame, self._count, **fewer))  # type: ignore[misc]
            planned[MODEL if steps is None else f"{MODEL}@{steps}"] = plan, ms + encode_ms
        for name, source in self._ablations.items():
            start = time.perf_counter()
            plan = source.sample(source.frame(index), self._count)
            planned[name] = plan, _since(start)
        return frame, planned

    def predicted_score(self, frame: CandidateFrame, joint_MNT3: FloatArray) -> NDArray[np.float32] | None:
        """Return the sub-scores (M, Q) that the model predicts; None if it has no scorer.

        Args:
            frame: Inputs of the sample.
            joint_MNT3: Joint futures in base_link.
        """
        if not self._backend.has_scorer:
            return None
        return self._backend.score(joint_MNT3, frame.features, frame.observation, frame.agents)

    def _constant_turn_rate(self, frame: CandidateFrame) -> FloatArray:
        status = frame.raw["status"].astype(np.float64)
        speed, lateral = status[:, StatusIndex.VX_MPS], status[:, StatusIndex.AY_MPS2]
        yaw_rate = np.where(speed > 1.0, lateral / np.maximum(speed, 1.0), 0.0)
        times_s = self._backend.manifest.contract.plan_times_s
        return np.asarray(constant_velocity_plan(speed, yaw_rate, times_s))[:, None]


def load_baselines(folder: Path | None, model: ModelManifest) -> dict[str, BaselineModel]:
    """Load all trained baselines by name.

    Args:
        folder: Folder with one folder for each; None for none.
        model: Manifest of the model whose encoder they read.

    Raises:
        ModelError: One is missing, or belongs to another model.
    """
    if folder is None:
        return {}
    manifests = {name: load_baseline_manifest(folder / name) for name in BASELINES}
    for manifest in manifests.values():
        manifest.check_encoder(model)
    return {name: BaselineModel(manifest) for name, manifest in manifests.items()}


def baseline_plan(baseline: BaselineModel, frame: CandidateFrame) -> FloatArray:
    """Return the plan (T, 3) of a trained baseline in base_link.

    Args:
        baseline: The baseline.
        frame: Labeled agents, observation and the model's features.
    """
    return baseline.plan({**frame.observation, **frame.features, **frame.agents})


def _timed(plan: Callable[[], FloatArray]) -> Planned:
    start = time.perf_counter()
    return plan(), _since(start)


def _since(start_s: float) -> float:
    return 1000.0 * (time.perf_counter() - start_s)
