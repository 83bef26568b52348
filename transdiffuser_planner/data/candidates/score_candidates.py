"""PDM sub-scores of plans in recorded frames: the table that the scorer and the preferences of the decoder learn from.

Scored are the model's own candidates, candidates under action tokens of other maneuvers, candidates made worse, and the driven
plan with variants of it. A good model makes few mistakes to learn from, and few plans that are better than the driven one.

Letters: M plans, N = 1 + A road users with the ego first, D drawn joint futures, T plan steps.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from transdiffuser_planner.core.contract import SCORE_NAMES, SCORER_INPUTS
from transdiffuser_planner.core.errors import OutputError, PlannerError
from transdiffuser_planner.data.candidates.candidate_source import CandidateFrame, CandidateSource
from transdiffuser_planner.data.candidates.instructed_plans import InstructedPlans
from transdiffuser_planner.data.candidates.intents import IntentCandidates
from transdiffuser_planner.data.candidates.known_references import KnownReferences
from transdiffuser_planner.data.candidates.proposed_plans import ProposedPlans, propose
from transdiffuser_planner.data.candidates.scored_candidates import About, Arrays, ScoredDrive, read_about, save_drive
from transdiffuser_planner.data.candidates.table_origin import TableOrigin
from transdiffuser_planner.data.candidates.touches import Touches
from transdiffuser_planner.data.samples.sample_set import SampleFolder, SampleSet
from transdiffuser_planner.data.scenes.scene_builder import SceneDrive, read_scene_log
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.prepared_scene import prepare
from transdiffuser_planner.parallel import Files, fan_out, files_in, put_files
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend

KNOWN_AFTER_NS = 5_000_000_000
"""Agents must be known for so long after a frame."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanScoreJob:
    """One recorded drive.

    Attributes:
        bag, samples, out: The drive, its samples, the folder to write.
        model: Model folder.
        topics: Which topic carries what.
        num_candidates: Sampled by the model at every frame.
        num_instructed: Sampled under action tokens of other maneuvers, or without tokens where there is none.
        each_intent: Samples of every meta-action, in place of the last of these candidates; 0 for none.
        with_scene: Whether to keep the tensors of the scene that the scorer reads.
        references: Table of an earlier model, whose plans of PDM-Closed are taken; None: all are computed.
        driving_style: The parameter ``driving_style`` of the model.
        first, every: Only every so many samples from that one on.
    """

    bag: Path
    samples: Path
    out: Path
    model: Path
    topics: TopicMap
    num_candidates: int
    num_instructed: int
    each_intent: int
    with_scene: bool
    references: Path | None
    driving_style: float
    first: int
    every: int


def score_plans(job: PlanScoreJob) -> int:
    """Score one drive's plans; those that exist are kept. Returns the number of frames.

    Raises:
        InputError: The existing ones are of another model or contract.
        PlannerError: Bag, samples or model cannot be used.
    """
    manifest = load_manifest(job.model)
    if job.out.is_dir():
        read_about(job.out).origin.check(TableOrigin.of(manifest), str(job.out))
        return len(ScoredDrive.open(job.out))
    backend = OnnxBackend(manifest, 1)
    folder = SampleFolder.open(job.samples, manifest.contract)
    drive = SceneDrive(read_scene_log(job.bag, job.topics), folder.vehicle)
    stamp_ns_S = folder.arrays["stamp_ns"]
    index_S = range(job.first, len(folder), job.every)
    chosen = [i for i in index_S if int(stamp_ns_S[i]) <= drive.stamp_ns_E[-1] - KNOWN_AFTER_NS]
    if not chosen:
        return 0
    wanted = ("bev", "bev_valid")
    source = CandidateSource(backend, SampleSet([folder]), wanted, driving_style=job.driving_style)
    instructed = InstructedPlans(source, manifest.codebook(), folder.vehicle)
    intents = IntentCandidates(source, manifest.codebook(), folder.vehicle, job.each_intent)
    scoring = _DriveScoring(job, source, drive, instructed, intents)
    frames = [scoring.frame(index) for index in chosen]
    about = About(
        origin=TableOrigin.of(manifest),
        vehicle=folder.vehicle,
        num_candidates=job.num_candidates,
        agents_of_M=scoring.agents_of_M,
        touched=scoring.touches.names,
        has_scene=job.with_scene,
    )
    save_drive(job.out, frames, about)
    return len(frames)


class _DriveScoring:
    """Proposes and scores plans of one drive, frame by frame."""

    def __init__(
        self,
        job: PlanScoreJob,
        source: CandidateSource,
        drive: SceneDrive,
        instructed: InstructedPlans,
        intents: IntentCandidates,
    ) -> None:
        self._job, self._source, self._drive = job, source, drive
        self._instructed, self._intents = instructed, intents
        self._references = KnownReferences.of(job.references, job.out.name)
        self.touches = Touches()
        self.agents_of_M: tuple[int, ...] = ()

    def frame(self, index: int) -> Arrays:
        """Arrays of one sample by the names of ``scored_candidates``."""
        frame = self._source.frame(index)
        job, stamp_ns = self._job, int(frame.raw["stamp_ns"][0])
        draws = self._source, self._instructed, self._intents
        plans = propose(*draws, frame, job.num_candidates, job.num_instructed)
        self.agents_of_M = plans.agents_of_M
        scene = prepare(self._drive.scene(stamp_ns))
        reference_S3 = self._references.plan(stamp_ns, scene)
        scene = dataclasses.replace(scene, scene=dataclasses.replace(scene.scene, reference_S3=reference_S3))
        scores = score_pdms(scene, plans.pose_MT3)
        out = {
            "pose": plans.pose_MT3,
            "score": np.stack([getattr(scores, f"{name}_M") for name in SCORE_NAMES], axis=-1),
            "progress_m": scores.progress_m_M,
            "kind": plans.kind_M,
            **self.touches.of(scores.reasons),
            "reference": reference_S3,
            "row": np.asarray(index, dtype=np.int32),
            "stamp_ns": np.asarray(stamp_ns, dtype=np.int64),
        }
        return out | (_scene_arrays(frame, plans) if job.with_scene else {})


def _scene_arrays(frame: CandidateFrame, plans: ProposedPlans) -> Arrays:
    tensors = {**frame.features, **frame.observation, **frame.agents}
    return {"agent_pose": plans.agent_pose_DAT3, **{name: tensors[name][0] for name in SCORER_INPUTS}}


def _score_or_reason(job: PlanScoreJob) -> tuple[int, str]:
    """Number of frames of one drive, and an error message instead of an exception.

    Raises:
        OutputError: They cannot be written, nor could those of the next drive.
    """
    try:
        return score_plans(job), ""
    except OutputError:
        raise
    except PlannerError as error:
        return 0, str(error)


def _score_elsewhere(job: PlanScoreJob) -> tuple[Path, int, str, Files]:
    """Score on another machine, which finds drive, samples and model at the same paths; the result comes back as files."""
    with tempfile.TemporaryDirectory() as scratch:
        there = Path(scratch) / job.out.name
        count, reason = _score_or_reason(replace(job, out=there))
        return job.out, count, reason, files_in(there)


def _with_whole_paths(job: PlanScoreJob) -> PlanScoreJob:
    """The job with absolute paths of what it reads: other processes may have another working directory."""
    references = None if job.references is None else job.references.resolve()
    bag, samples, model = job.bag.resolve(), job.samples.resolve(), job.model.resolve()
    return replace(job, references=references, bag=bag, samples=samples, model=model)


def jobs_of(bags: Path, samples: Path, out: Path, **common: Any) -> list[PlanScoreJob]:
    """One job for every drive of a folder that has samples."""
    names = sorted(path.name for path in bags.iterdir() if (samples / path.name).is_dir()) if bags.is_dir() else []
    return [PlanScoreJob(bag=bags / n, samples=samples / n, out=out / n, **common) for n in names]


def score_all(
    jobs: Sequence[PlanScoreJob], workers: int, progress: Any = None, ray_address: str | None = None
) -> tuple[int, list[str]]:
    """Score many drives: the number of frames, and one line for each drive that failed.

    Args:
        jobs: The drives.
        workers: Processes.
        progress: An object with ``update(1)``, or None.
        ray_address: As in ``fan_out``.

    Raises:
        ConfigError: Ray cannot be used.
        InputError: Drives that exist already are of another model or contract.
    """
    done = [job for job in jobs if job.out.is_dir()]
    if done:
        origin = TableOrigin.of(load_manifest(done[0].model))
        for job in done:
            read_about(job.out).origin.check(origin, str(job.out))
    total, failures = 0, []
    for count, reason in _outcomes(jobs, workers, ray_address):
        total += count
        failures += [reason] if reason else []
        if progress is not None:
            progress.update(1)
    return total, sorted(failures)


def _outcomes(jobs: Sequence[PlanScoreJob], workers: int, ray_address: str | None) -> Iterator[tuple[int, str]]:
    if ray_address is None:
        yield from fan_out(_score_or_reason, jobs, workers=workers)
        return
    yield from (_score_or_reason(job) for job in jobs if job.out.is_dir())  # done before: only read
    missing = [_with_whole_paths(job) for job in jobs if not job.out.is_dir()]
    for out, count, reason, files in fan_out(_score_elsewhere, missing, workers=workers, ray_address=ray_address):
        if files:
            put_files(files, out)
        yield count, reason
