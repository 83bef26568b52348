"""Quality of samplers on the same unseen frames: each number of denoise steps and each sampler paired with the exact chain.

Not reactive: all other agents follow the log. The noise of a frame is the same for all samplers.

Letters: S samplers, M candidates, T plan steps, A agents, X measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SCORE_NAMES, SCORER_INPUTS
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.data.candidates.candidate_source import CandidateFrame, CandidateSource
from transdiffuser_planner.data.samples.sample_set import SampleFolder, SampleSet
from transdiffuser_planner.data.samples.targets import visible_agents
from transdiffuser_planner.data.scenes.scene_builder import SceneDrive, read_scene_log
from transdiffuser_planner.evaluation.intervals import bootstrap
from transdiffuser_planner.evaluation.open_loop.driving_selection import DrivingChoice
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.metrics.displacement import average_displacement_m
from transdiffuser_planner.metrics.diversity import diversity
from transdiffuser_planner.metrics.pdm.epdms import score_epdms
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.reference_planner.pdm_closed import ScoreVersion, with_reference
from transdiffuser_planner.metrics.pdm.subscores.extended_comfort import LONGEST_S, PreviousFrame
from transdiffuser_planner.planning.selection.predicted_pdm_score import pdm_score
from transdiffuser_planner.reports.markdown_tables import markdown_table
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend

FloatArray = NDArray[np.float64]

MEASURES = {
    "one": "one sample, PDMS",
    "best": "best candidate, PDMS",
    "rules": "chosen by rules, PDMS",
    "scorer": "chosen by scorer, PDMS",
    "epdms": "chosen by rules, EPDMS",
    "extended_comfort": "EC",
    "diversity": "D",
    "ade_m": "ADE m",
    "min_ade_m": "minADE m",
    "agents_min_ade_m": "agents' minADE m",
}
PERCENT = ("one", "best", "rules", "scorer", "epdms", "extended_comfort", "diversity")
HORIZON_NS = 5_000_000_000


@dataclass(frozen=True, order=True)
class SamplerSetting:
    """A sampler of ``core.contract.SAMPLERS`` with a number of denoise steps and the parameter ``temperature``."""

    sampler: str
    num_steps: int
    temperature: float = 1.0

    def __str__(self) -> str:
        at = "" if self.temperature == 1.0 else f" at temperature {self.temperature:g}"
        return f"{self.sampler}, {self.num_steps} step{'s' * (self.num_steps > 1)}{at}"


@dataclass(frozen=True, kw_only=True, slots=True)
class SamplerJob:
    """One recorded drive to measure.

    Attributes:
        bag: Bag of the drive.
        samples: Folder of its samples.
        topics: Topics of the bag.
        model: Model folder.
        settings: Samplers to compare.
        num_candidates: Candidates M per frame.
        every: Only every N-th sample is measured.
    """

    bag: Path
    samples: Path
    topics: TopicMap
    model: Path
    settings: tuple[SamplerSetting, ...]
    num_candidates: int
    every: int


class _Frames:
    """Plans of all samplers on the samples of one drive, on one thread."""

    def __init__(self, job: SamplerJob) -> None:
        self._backend = OnnxBackend(load_manifest(job.model), 1)
        folder = SampleFolder.open(job.samples, self._backend.manifest.contract)
        self.source = CandidateSource(self._backend, SampleSet([folder]))
        self.stamp_ns_F = folder.arrays["stamp_ns"]
        self.drive = SceneDrive(read_scene_log(job.bag, job.topics), folder.vehicle)
        rules, scorer = PlannerConfig(), PlannerConfig(selection="scorer")
        self._by_rules = DrivingChoice(self.source.contract, self.source.vehicle, rules)
        self._by_scorer = DrivingChoice(self.source.contract, self.source.vehicle, scorer)
        self._settings, self._num_candidates = job.settings, job.num_candidates
        self.num_settings = len(job.settings)

    def joint(self, frame: CandidateFrame) -> list[FloatArray]:
        """Joint futures (M, 1 + A, T, 3) of every sampler."""
        return [
            self.source.sample(
                frame, self._num_candidates, num_steps=s.num_steps, sampler=s.sampler, temperature=s.temperature
            )
            for s in self._settings
        ]

    def chosen_by_rules(self, frame: CandidateFrame, joint_MNT3: FloatArray) -> int:
        """Candidate that the planner drives with selection by rules."""
        return self._by_rules.index(joint_MNT3, None, _tensors(frame))

    def chosen_by_scorer(self, frame: CandidateFrame, joint_MNT3: FloatArray) -> int:
        """Candidate that the planner drives with selection by scorer."""
        score_MQ = self._backend.score(joint_MNT3, frame.features, frame.observation, frame.agents)
        return self._by_scorer.index(joint_MNT3, score_MQ, _tensors(frame))


def measure_drive(job: SamplerJob) -> FloatArray:
    """Return ``MEASURES`` (F, S, X) of the frames of a drive, NaN where a frame has none.

    Args:
        job: The drive.

    Raises:
        PlannerError: A bag, samples or a model cannot be used.
    """
    frames, found = _Frames(job), []
    for index in range(1, len(frames.stamp_ns_F), job.every):
        stamp_ns = int(frames.stamp_ns_F[index])
        if stamp_ns > frames.drive.stamp_ns_E[-1] - HORIZON_NS:
            break
        found.append(_measure_frame(frames, index, stamp_ns))
    return np.asarray(found, dtype=np.float64).reshape(-1, len(job.settings), len(MEASURES))


def _measure_frame(frames: _Frames, index: int, stamp_ns: int) -> list[list[float]]:
    """``MEASURES`` of every sampler in one frame."""
    frame = frames.source.frame(index)
    joints = frames.joint(frame)
    scene = with_reference(frames.drive.scene(stamp_ns), ScoreVersion.PDMS)
    scores = score_pdms(scene, np.concatenate([joint[:, 0] for joint in joints]))
    score_SMQ = np.stack([getattr(scores, f"{name}_M") for name in SCORE_NAMES], axis=-1).astype(np.float64)
    chosen = [frames.chosen_by_rules(frame, joint) for joint in joints]
    epdms_scene = with_reference(frames.drive.scene(stamp_ns), ScoreVersion.EPDMS)
    previous = _previous(frames, index, stamp_ns)
    rows, start = [], 0
    for joint, rules, before in zip(joints, chosen, previous, strict=True):
        pdms_M = pdm_score(score_SMQ[start : start + len(joint)])
        start += len(joint)
        extended = score_epdms(epdms_scene, joint[rules : rules + 1, 0], previous=before)
        comfort = extended.extended_comfort_M
        error_M = average_displacement_m(joint[:, 0], frame.raw["plan"][0].astype(np.float64))
        rows.append(
            [
                float(pdms_M.mean()),
                float(pdms_M.max()),
                float(pdms_M[rules]),
                float(pdms_M[frames.chosen_by_scorer(frame, joint)]),
                float(extended.score_M[0]),
                np.nan if comfort is None else float(comfort[0]),
                diversity(joint[:, 0]).value,
                float(error_M.mean()),
                float(error_M.min()),
                _agents_min_ade_m(frames.source, frame, joint),
            ]
        )
    return rows


def _previous(frames: _Frames, index: int, stamp_ns: int) -> list[PreviousFrame | None]:
    """Every sampler's chosen plan in the frame before; None where it is too long ago."""
    before_ns = int(frames.stamp_ns_F[index - 1])
    elapsed_s = (stamp_ns - before_ns) * 1e-9
    if not 0.0 < elapsed_s <= LONGEST_S:
        return [None] * frames.num_settings
    frame, ego = frames.source.frame(index - 1), frames.drive.scene(before_ns).ego
    return [
        PreviousFrame(ego=ego, plan_T3=joint[frames.chosen_by_rules(frame, joint), 0], elapsed_s=elapsed_s)
        for joint in frames.joint(frame)
    ]


def _agents_min_ade_m(source: CandidateSource, frame: CandidateFrame, joint_MNT3: FloatArray) -> float:
    """Mean over the agents of the smallest ADE of all samples, over the times at which an agent is labeled; NaN without."""
    labels = visible_agents(frame.raw, source.contract)
    slots = np.flatnonzero((labels["agents_valid"][0] > 0.0) & labels["future_valid"][0].any(axis=-1))
    if not len(slots):
        return float("nan")
    known_AT = labels["future_valid"][0, slots] > 0.0
    gap_MAT = np.linalg.norm(joint_MNT3[:, 1 + slots, :, :2] - labels["future"][0, slots, :, :2], axis=-1)
    error_MA = np.where(known_AT, gap_MAT, 0.0).sum(axis=-1) / known_AT.sum(axis=-1)
    return float(error_MA.min(axis=0).mean())


def _tensors(frame: CandidateFrame) -> dict[str, NDArray[Any]]:
    """The scorer's inputs of a frame, without the batch axis."""
    known = {**frame.features, **frame.observation, **frame.agents}
    return {name: known[name][0] for name in SCORER_INPUTS}


def as_rows(drives: list[FloatArray], settings: Sequence[SamplerSetting]) -> list[dict[str, Any]]:
    """Return one row per sampler: means over the drives and paired differences from the first sampler.

    Args:
        drives: Results of ``measure_drive``.
        settings: The samplers, the reference first.

    Returns:
        Per measure its mean, and "change" with mean, low and high of the 95 % interval over draws of drives.
    """
    mean_DSX = np.stack([_nanmean(frames_FSX) for frames_FSX in drives])
    rows = []
    for row, setting in enumerate(settings):
        values: dict[str, Any] = {"sampler": str(setting), "change": {}}
        for column, name in enumerate(MEASURES):
            scale, digits = (100.0, 2) if name in PERCENT else (1.0, 3)
            own_D, reference_D = scale * mean_DSX[:, row, column], scale * mean_DSX[:, 0, column]
            known_D = np.isfinite(own_D) & np.isfinite(reference_D)
            values[name] = round(float(own_D[known_D].mean()), digits) if known_D.any() else None
            interval = bootstrap(own_D[known_D] - reference_D[known_D])
            if interval is not None and row:
                values["change"][name] = [
                    round(value, digits) for value in (interval.mean, interval.low, interval.high)
                ]
        rows.append(values)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Format the rows as Markdown; in brackets the differences from the first row.

    Args:
        rows: Result of ``as_rows``.
    """
    shown = [
        {
            "sampler": row["sampler"],
            **{name: _with_change(row[name], row["change"].get(name)) for name in MEASURES},
        }
        for row in rows
    ]
    return markdown_table(shown, {"sampler": "sampler"} | MEASURES)


def _with_change(value: float | None, change: list[float] | None) -> str:
    if value is None or change is None:
        return "-" if value is None else f"{value:g}"
    return f"{value:g} ({change[0]:+g}; {change[1]:+g} to {change[2]:+g})"


def _nanmean(frames_FSX: FloatArray) -> FloatArray:
    """Means over the frames that have a value; NaN where none has."""
    known_FSX = np.isfinite(frames_FSX)
    total_SX = np.where(known_FSX, frames_FSX, 0.0).sum(axis=0)
    return np.where(known_FSX.any(axis=0), total_SX / np.maximum(known_FSX.sum(axis=0), 1), np.nan)
