"""Throughput of training against processes: the command `train` itself, with DDP on the CPU, read from its curves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.data.samples.convert_bags import convert_all
from transdiffuser_planner.data.samples.sample_builder import DatasetJob
from transdiffuser_planner.data.samples.sample_set import META_NAME
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
from transdiffuser_planner.simulation.expert_recorder import RecordingPlan, record
from transdiffuser_planner.simulation.scenario import draw_scenario

STAGE: Final = "encoder"
BATCH_SIZE: Final = 16
TRAINING_SEED: Final = 2
"""First scenario seed of the shipped model's training drives."""
_LOG_EVERY: Final = 20


def training_rate(samples: Path, out: Path, processes: int, steps: int) -> float:
    """Return samples per second of the encoder stage, one thread per process, after the first logged step.

    Args:
        samples: Folder of samples for training and validation.
        out: Folder of the run, which must not exist yet.
        processes: Number of processes; each takes its share of a batch of 16.
        steps: Number of steps; the time between the first and the last logged one counts.

    Raises:
        EvaluationError: Training failed; its last line.
    """
    recipe = out.with_suffix(".yaml")
    recipe.parent.mkdir(parents=True, exist_ok=True)
    epochs = steps / max(_num_samples(samples) // BATCH_SIZE, 1)
    recipe.write_text(json.dumps({"network": "tiny", "encoder": {"epochs": epochs, "batch_size": BATCH_SIZE}}))
    program = [sys.executable, "-m", "transdiffuser_planner.cli.main", "train", "--stage", STAGE]
    where = ["--samples", samples, "--validation", samples, "--out", out, "--recipe", recipe]
    how = ["--devices", processes, "--threads", 1, "--precision", "fp32"]
    run = subprocess.run([*program, *map(str, where), *map(str, how)], capture_output=True, text=True)
    if run.returncode != 0:
        raise EvaluationError(f"training with {processes} processes failed: {(run.stderr.splitlines() or ['?'])[-1]}")
    events = _logged_steps(out / "log" / STAGE)
    (first, first_s), (last, last_s) = events[0], events[-1]
    return (last - first) * BATCH_SIZE / (last_s - first_s)


def record_samples(rig: Rig, out: Path, duration_s: float) -> Path:
    """Record a drive of the expert on a training scenario and convert it to samples.

    Args:
        rig: The vehicle's sensors.
        out: Folder for bag and samples.
        duration_s: Seconds of driving; 10 frames each.

    Returns:
        Folder of the samples.

    Raises:
        EvaluationError: The drive gives no sample.
    """
    topics, _ = preset_files("carla")
    scenario = draw_scenario(TRAINING_SEED, duration_s=duration_s)
    plan = RecordingPlan(scenario=scenario, rig=rig, out=out / "bags", sensor_every=1, variants=(0,))
    jobs = [
        DatasetJob(bag=bag, out=out / "samples" / bag.stem, rig=rig, topics=TopicMap.load(topics), contract=TINY)
        for bag in record(plan)
    ]
    counts, reasons = next(iter(convert_all(jobs, 1)))
    if not counts.get("samples"):
        raise EvaluationError(f"training: the recorded drive gives no samples ({reasons or dict(counts)})")
    return out / "samples"


def _num_samples(samples: Path) -> int:
    folders = [path.parent for path in samples.rglob(META_NAME)]
    return sum(len(np.load(folder / "stamp_ns.npy", mmap_mode="r")) for folder in folders)


def _logged_steps(folder: Path) -> list[tuple[int, float]]:
    """Steps of the training curves with the time when they were written.

    Raises:
        EvaluationError: There are fewer than two.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curves = EventAccumulator(str(folder))
    curves.Reload()
    names = [name for name in curves.Tags()["scalars"] if name.endswith("/total")]
    events: list[Any] = curves.Scalars(names[0]) if names else []
    if len(events) < 2:
        raise EvaluationError(f"training: expected curves of at least {2 * _LOG_EVERY} steps, got {len(events)} points")
    return [(event.step, event.wall_time) for event in events]
