"""Comparison table of all planners: PDM score, errors, diversity and time of their plans on the same unseen samples.

Not reactive: all other agents follow the log. The model's rows differ in how one of its candidates is chosen; the rows of
its ablations and of fewer denoise steps are one sample each, the mean over all candidates.

Letters: S samples, M candidates, T plan steps, Q sub-scores.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import SCORE_NAMES, SCORER_INPUTS
from transdiffuser_planner.data.samples.sample_set import SampleFolder, SampleSet
from transdiffuser_planner.data.scenes.scene_builder import SceneDrive, read_scene_log
from transdiffuser_planner.evaluation.open_loop.compared_planners import MODEL, Planners, Rows
from transdiffuser_planner.evaluation.open_loop.driving_selection import DrivingChoice
from transdiffuser_planner.evaluation.open_loop.ego_errors import nearest_to_mean
from transdiffuser_planner.messages.topic_map import TopicMap
from transdiffuser_planner.metrics.displacement import average_displacement_m, final_displacement_m
from transdiffuser_planner.metrics.diversity import diversity
from transdiffuser_planner.metrics.pdm.pdms import score_pdms
from transdiffuser_planner.metrics.pdm.reference_planner.pdm_closed import ScoreVersion, with_reference
from transdiffuser_planner.planners.planner_names import NEAREST_TO_MEAN, ONE, ORACLE, SCORER, TITLES
from transdiffuser_planner.planning.selection.predicted_pdm_score import pdm_score

FloatArray = NDArray[np.float64]

FEWER, OF = (10, 15), "#"
"""Numbers of candidates of additional rows, and the separator before the number in their names."""
DIVERSITY_EVERY = 4
"""Diversity is measured on every N-th sample only, because counting areas takes time."""
HORIZON_NS = 5_000_000_000
MEASURES = (*SCORE_NAMES, "pdms", "ade_m", "fde_m", "diversity", "ms")


@dataclass(frozen=True, kw_only=True, slots=True)
class TableJob:
    """One recorded drive to measure.

    Attributes:
        bag: Bag of the drive.
        samples: Folder of its samples.
        topics: Topics of the bag.
        planners: Planners to compare.
        every: Only every N-th sample is measured.
    """

    bag: Path
    samples: Path
    topics: TopicMap
    planners: Planners
    every: int


def measure_drive(job: TableJob) -> dict[str, FloatArray]:
    """Return row -> MEASURES (S, 9) of all samples of a drive; NaN where one was not measured.

    Args:
        job: The drive.

    Raises:
        PlannerError: A bag, samples or a model cannot be used.
    """
    rows = Rows(job.planners, lambda backend: SampleSet([SampleFolder.open(job.samples, backend.manifest.contract)]))
    folder = SampleFolder.open(job.samples, rows.source.contract)
    drive = SceneDrive(read_scene_log(job.bag, job.topics), folder.vehicle)
    found: dict[str, list[list[float]]] = {}
    for number, index in enumerate(range(0, len(folder), job.every)):
        stamp_ns = int(folder.arrays["stamp_ns"][index])
        if stamp_ns > drive.stamp_ns_E[-1] - HORIZON_NS:
            break
        scene = with_reference(drive.scene(stamp_ns), ScoreVersion.PDMS)
        for name, values in _sample(rows, index, scene, with_diversity=number % DIVERSITY_EVERY == 0).items():
            found.setdefault(name, []).append(values)
    return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}


def _sample(rows: Rows, index: int, scene: Any, *, with_diversity: bool) -> dict[str, list[float]]:
    frame, planned = rows.plan(index)
    scores = score_pdms(scene, np.concatenate([joint[:, 0] for joint, _ in planned.values()]))
    score_NQ = np.stack([getattr(scores, f"{name}_M") for name in SCORE_NAMES], axis=-1).astype(np.float64)
    truth_T3, start, out = frame.raw["plan"][0].astype(np.float64), 0, {}
    for name, (joint, ms) in planned.items():
        part_MQ, start = score_NQ[start : start + len(joint)], start + len(joint)
        spread = diversity(joint[:, 0]).value if with_diversity and len(joint) > 1 else np.nan
        every = _Plans(plan_MT3=joint[:, 0], score_MQ=part_MQ, truth_T3=truth_T3, diversity=spread, ms=ms)
        if name != MODEL:
            out[name] = every.mean()
            continue
        nearest = np.abs(joint[:, 0] - nearest_to_mean(joint[None, :, 0])).sum(axis=(1, 2)).argmin()
        out |= {ONE: every.mean(), NEAREST_TO_MEAN: every.only(int(nearest))}
        known = {**frame.features, **frame.observation, **frame.agents}
        selection = DrivingChoice(rows.source.contract, rows.source.vehicle)
        tensors = {key: known[key][0] for key in SCORER_INPUTS}
        for count in (*(n for n in FEWER if n < len(joint)), len(joint)):
            of = "" if count == len(joint) else f"{OF}{count}"
            few = every.first(count, with_diversity=with_diversity)
            out[ORACLE + of] = few.only(int(pdm_score(few.score_MQ).argmax()))
            predicted_MQ = rows.predicted_score(frame, joint[:count])
            if predicted_MQ is not None:
                out[SCORER + of] = few.only(selection.index(joint[:count], predicted_MQ, tensors))
    return out


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plans:
    """A row's plans of one sample with their sub-scores."""

    plan_MT3: FloatArray
    score_MQ: FloatArray
    truth_T3: FloatArray
    diversity: float
    ms: float

    def first(self, count: int, *, with_diversity: bool) -> _Plans:
        """Return the first ``count`` plans."""
        plan = self.plan_MT3[:count]
        spread = diversity(plan).value if with_diversity else np.nan
        return replace(self, plan_MT3=plan, score_MQ=self.score_MQ[:count], diversity=spread)

    def mean(self) -> list[float]:
        """Return the mean of MEASURES over all plans."""
        return self._measures(np.arange(len(self.plan_MT3)))

    def only(self, index: int) -> list[float]:
        """Return MEASURES of one plan."""
        return self._measures(np.asarray([index]))

    def _measures(self, index: NDArray[np.intp]) -> list[float]:
        plan, score = self.plan_MT3[index], self.score_MQ[index]
        errors = (average_displacement_m(plan, self.truth_T3), final_displacement_m(plan, self.truth_T3))
        means = [float(np.mean(value)) for value in (pdm_score(score), *errors)]
        return [*(float(v) for v in score.mean(axis=0)), *means, self.diversity, self.ms]


def joined(drives: Sequence[dict[str, FloatArray]]) -> dict[str, FloatArray]:
    """Return row -> MEASURES (S, 9) of the samples of all drives.

    Args:
        drives: Results of ``measure_drive``.
    """
    return {name: np.concatenate([part[name] for part in drives]) for name in (drives[0] if drives else ())}


def jobs_of(bags: Path, samples: Path, **common: Any) -> list[TableJob]:
    """Make one job for every drive that has samples.

    Args:
        bags: Folder of the bags.
        samples: Folder of their samples.
        **common: Other fields of ``TableJob``.
    """
    return [TableJob(bag=bag, samples=of_bag, **common) for bag, of_bag in drives_with_samples(bags, samples)]


def drives_with_samples(bags: Path, samples: Path) -> list[tuple[Path, Path]]:
    """Return bag and sample folder of every drive that has samples, by name.

    Args:
        bags: Folder of the bags.
        samples: Folder of their samples.
    """
    names = sorted(path.name for path in bags.iterdir() if (samples / path.name).is_dir()) if bags.is_dir() else []
    return [(bags / name, samples / name) for name in names]


def as_rows(found: dict[str, FloatArray], ablation_titles: dict[str, str]) -> list[dict[str, Any]]:
    """Return the rows of the table: baselines, the model by selection, the expert, fewer steps, ablations.

    Args:
        found: Result of ``joined``.
        ablation_titles: Titles of the ablations.
    """
    steps = {name: f"TransDiffuser, one sample, denoise steps: {name.split('@')[1]}" for name in found if "@" in name}
    few = {f"{key}{OF}{n}": f"{TITLES[key]}, N = {n}" for n in FEWER for key in (SCORER, ORACLE)}
    titles = TITLES | steps | few | ablation_titles
    return [_row(name, title, found[name]) for name, title in titles.items() if name in found]


def seed_spread(rows: list[dict[str, Any]], recipes: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the largest differences in PDMS, ADE and D between ablations that differ only in their seed.

    Args:
        rows: Rows of the table.
        recipes: Row -> recipe of the ablations.
    """
    by_name = {row["row"]: row for row in rows}
    groups: dict[str, list[str]] = {}
    for name, recipe in recipes.items():
        groups.setdefault(json.dumps(recipe | {"seed": 0}, sort_keys=True), []).append(name)
    found = []
    for names in groups.values():
        if len(names) > 1:
            values = {key: [by_name[name][key] for name in names] for key in ("pdms", "ade_m", "diversity")}
            found.append({"rows": names, **{key: round(max(v) - min(v), 3) for key, v in values.items()}})
    return found


def _row(name: str, title: str, value_SM: FloatArray) -> dict[str, Any]:
    """Return means over the samples: sub-scores, PDMS and D in percent, with PDMS's standard error; milliseconds are the median."""
    row: dict[str, Any] = {"row": name, "title": title}
    for column, key in enumerate(MEASURES):
        value_S = value_SM[:, column]
        known_S = value_S[np.isfinite(value_S)]
        if key == "ms":
            row[key] = round(float(np.median(known_S)), 1)
        elif key.endswith("_m"):
            row[key] = round(float(known_S.mean()), 3)
        else:
            row[key] = round(100.0 * float(known_S.mean()), 2) if len(known_S) else None
        if key == "pdms":
            row["pdms_error"] = round(100.0 * float(known_S.std() / np.sqrt(len(known_S))), 2)
    return row
