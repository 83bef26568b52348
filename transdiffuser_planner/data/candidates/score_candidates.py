"""PDM sub-scores of a model's candidates in recorded frames, as training data of the scorer.

In addition to the model's own candidates, worse ones are scored: the same stretched, shortened or bent sideways. A good
model makes few mistakes to learn from.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SCORE_NAMES, SCORER_INPUTS
from transdiffuser_planner.core.errors import OutputError, PlannerError
from transdiffuser_planner.core.files import writing
from transdiffuser_planner.data.candidates.candidate_source import CandidateFrame, CandidateSource
from transdiffuser_planner.data.candidates.scored_candidates import NUM_ALTERED, SUFFIX, Arrays, save_drive
from transdiffuser_planner.data.samples.sample_set import SampleFolder, SampleSet
from transdiffuser_planner.data.scenes.scene_builder import SceneDrive, read_scene_log
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.reference_planner.pdm_closed import ScoreVersion, with_reference
from transdiffuser_planner.parallel import Files, fan_out, files_in
from transdiffuser_planner.runtime.inference.manifest import load_manifest
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend

FloatArray = NDArray[np.float64]

STRETCHES = (0.6, 0.8, 1.2, 1.4)
BENDS_M = (-2.0, -1.0, 1.0, 2.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanScoreJob:
    """One recorded drive.

    Attributes:
        bag, samples, out: The drive, its samples, the file to write.
        model: Model folder.
        topics: Which topic carries what.
        num_candidates: Sampled by the model at every frame.
        first, every: Only every so many samples from that one on.
    """

    bag: Path
    samples: Path
    out: Path
    model: Path
    topics: TopicMap
    num_candidates: int
    first: int
    every: int


def score_plans(job: PlanScoreJob) -> int:
    """Score one drive's candidates; an existing file is kept. Returns the number of frames.

    Raises:
        PlannerError: Bag, samples or model cannot be used.
    """
    if job.out.is_file():
        with np.load(job.out) as data:
            return len(data["score"])
    backend = OnnxBackend(load_manifest(job.model), 1)
    folder = SampleFolder.open(job.samples, backend.manifest.contract)
    source = CandidateSource(backend, SampleSet([folder]))
    drive = SceneDrive(read_scene_log(job.bag, job.topics), folder.vehicle)
    last_ns = drive.stamp_ns_E[-1] - 5_000_000_000
    frames: list[Arrays] = []
    for index in range(job.first, len(folder), job.every):
        stamp_ns = int(folder.arrays["stamp_ns"][index])
        if stamp_ns > last_ns:
            break
        frames.append(_frame(source.frame(index), source, drive, stamp_ns, job.num_candidates))
    if frames:
        save_drive(job.out, frames, folder.vehicle)
    return len(frames)


def _frame(
    frame: CandidateFrame, source: CandidateSource, drive: SceneDrive, stamp_ns: int, num_candidates: int
) -> Arrays:
    joint_MNT3 = with_worse(source.sample(frame, num_candidates))
    scene = with_reference(drive.scene(stamp_ns), ScoreVersion.PDMS)
    scores = score_pdms(scene, joint_MNT3[:, 0])
    tensors = {**frame.features, **frame.observation, **frame.agents}
    return {
        "pose": joint_MNT3[:, 0],
        "agent_pose": joint_MNT3[:, 1:],
        "score": np.stack([getattr(scores, f"{name}_M") for name in SCORE_NAMES], axis=-1),
        **{name: tensors[name][0] for name in SCORER_INPUTS},
    }


def with_worse(joint_MNT3: FloatArray) -> FloatArray:
    """Joint futures and, after them, the first ones again with the ego's plan altered: longer, shorter, bent aside."""
    steps = joint_MNT3.shape[2]
    share_T = np.arange(1, steps + 1) / steps
    altered = []
    for number, factor in enumerate(STRETCHES):
        joint = joint_MNT3[number % len(joint_MNT3)].copy()
        joint[0, :, :2] *= factor
        altered.append(joint)
    for number, bend_m in enumerate(BENDS_M):
        joint = joint_MNT3[(number + len(STRETCHES)) % len(joint_MNT3)].copy()
        heading = joint[0, :, 2]
        offset = bend_m * share_T**2
        joint[0, :, 0] -= offset * np.sin(heading)
        joint[0, :, 1] += offset * np.cos(heading)
        traveled = max(float(np.hypot(*joint[0, -1, :2])), 1.0)
        joint[0, :, 2] += np.arctan2(2.0 * bend_m * share_T, traveled)
        altered.append(joint)
    assert len(altered) == NUM_ALTERED
    return np.concatenate([joint_MNT3, np.stack(altered)])


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
    """Score on another machine, which finds drive, samples and model at the same paths; the result comes back as a file."""
    with tempfile.TemporaryDirectory() as scratch:
        count, reason = _score_or_reason(replace(job, out=Path(scratch) / job.out.name))
        return job.out, count, reason, files_in(Path(scratch))


def jobs_of(bags: Path, samples: Path, out: Path, **common: Any) -> list[PlanScoreJob]:
    """One job for every drive of a folder that has samples."""
    names = sorted(path.name for path in bags.iterdir() if (samples / path.name).is_dir()) if bags.is_dir() else []
    return [PlanScoreJob(bag=bags / n, samples=samples / n, out=out / f"{n}{SUFFIX}", **common) for n in names]


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
    """
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
    yield from (_score_or_reason(job) for job in jobs if job.out.is_file())  # done before: only read
    missing = [
        replace(job, bag=job.bag.resolve(), samples=job.samples.resolve(), model=job.model.resolve())
        for job in jobs
        if not job.out.is_file()
    ]
    for out, count, reason, files in fan_out(_score_elsewhere, missing, workers=workers, ray_address=ray_address):
        for content in files.values():
            partial = out.with_suffix(".partial.npz")
            with writing(out, partial):
                out.parent.mkdir(parents=True, exist_ok=True)
                partial.write_bytes(content)
                partial.rename(out)
        yield count, reason
