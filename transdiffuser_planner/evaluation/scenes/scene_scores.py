"""Scores the plans of scenes over several processes; each scene is scored independently. M plans of a group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.evaluation.scenes.scene_files import NamedPlans, SceneJob
from transdiffuser_planner.metrics.pdm import epdms, pdms
from transdiffuser_planner.metrics.pdm.deduction_reasons import Reason, Reasons
from transdiffuser_planner.metrics.pdm.prepared_scene import PreparedScene, prepare
from transdiffuser_planner.metrics.pdm.reference_planner.pdm_closed import ScoreVersion, with_reference
from transdiffuser_planner.metrics.pdm.scene import EgoState
from transdiffuser_planner.metrics.pdm.scene_serialization import scene_from_mapping
from transdiffuser_planner.metrics.pdm.scene_validation import SceneError
from transdiffuser_planner.metrics.pdm.subscores.extended_comfort import LONGEST_S, PreviousFrame

FloatArray = NDArray[np.float64]

PRODUCT: Final = {ScoreVersion.PDMS: ("no_at_fault_collision", "drivable_area"), ScoreVersion.EPDMS: epdms.HARD}
WEIGHTS: Final = {ScoreVersion.PDMS: pdms.WEIGHTS, ScoreVersion.EPDMS: epdms.WEIGHTS}


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanScores:
    """Scores of the plans of one name in one scene.

    Attributes:
        name: Name of the plans.
        is_group: Whether they are a group of candidates.
        parts: Sub-score -> its values (M,); None if it is not scored.
        score_M: PDMS or EPDMS of the scored parts.
        progress_m_M: Meters along the center line.
        reasons: Reasons of each plan's deductions.
    """

    name: str
    is_group: bool
    parts: dict[str, FloatArray | None]
    score_M: FloatArray
    progress_m_M: FloatArray
    reasons: Reasons


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneScores:
    """Scores of one scene.

    Attributes:
        scene: Name of the scene.
        reference: Reference of progress: given, pdm-closed or none.
        not_scored: Sub-score -> reason why it is skipped.
        forgiven: Sub-scores that the human failed.
        plans: Scores of the plans by name.
        problems: One line for each plan that is skipped.
    """

    scene: str
    reference: str
    not_scored: dict[str, str]
    forgiven: tuple[str, ...]
    plans: tuple[PlanScores, ...]
    problems: tuple[str, ...] = ()


def score_jobs(
    jobs: Iterable[SceneJob], version: ScoreVersion, *, pdm_closed: bool = False, workers: int = 1
) -> Iterator[SceneScores | str]:
    """Score scenes; the result is the same for any number of workers.

    Args:
        jobs: Scenes with their plans.
        version: Score to compute.
        pdm_closed: Plan the reference where a scene has none.
        workers: Number of processes; 1 scores all scenes in this one.

    Yields:
        Scores of each scene in the given order, or the line why it is skipped.

    Raises:
        EvaluationError: A process was killed.
    """
    score = partial(_scores_or_line, version=version, pdm_closed=pdm_closed)
    if workers <= 1:
        yield from map(score, jobs)
        return
    with ProcessPoolExecutor(max_workers=workers) as pool:
        try:
            yield from pool.map(score, jobs, chunksize=4)
        except BrokenProcessPool:
            raise EvaluationError("a process was killed; is there enough memory? Try --workers 1") from None


def _scores_or_line(job: SceneJob, version: ScoreVersion, pdm_closed: bool) -> SceneScores | str:
    try:
        return score_job(job, version, pdm_closed=pdm_closed)
    except EvaluationError as error:
        return str(error)


def score_job(job: SceneJob, version: ScoreVersion, *, pdm_closed: bool = False) -> SceneScores:
    """Score one scene.

    Args:
        job: The scene with its plans.
        version: Score to compute.
        pdm_closed: Plan the reference if the scene has none.

    Raises:
        EvaluationError: One line with scene, field, expected and got.
    """
    scene = scene_from_mapping(job.data)
    not_scored = read_not_scored(job)
    reference = "none" if scene.reference_S3 is None else "given"
    if pdm_closed and scene.reference_S3 is None:
        scene, reference = with_reference(scene, version), "pdm-closed"
    ready = prepare(scene)
    plans: list[PlanScores] = []
    forgiven: tuple[str, ...] = ()
    for named in job.plans:
        if version is ScoreVersion.PDMS:
            plans.append(_pdms(ready, named, not_scored))
        else:
            scores, forgiven = _epdms(ready, named, not_scored, _previous(job, scene.ego, named))
            plans.append(scores)
    return SceneScores(
        scene=job.name,
        reference=reference,
        not_scored=not_scored,
        forgiven=forgiven,
        plans=tuple(plans),
        problems=job.problems,
    )


def read_not_scored(job: SceneJob) -> dict[str, str]:
    """Return the sub-scores that a scene's data cannot provide, with the reasons.

    Args:
        job: The scene.

    Raises:
        SceneError: The field is not a mapping of known sub-scores.
    """
    value = job.data.get("not_scored") or {}
    known = {name for version in ScoreVersion for name in (*PRODUCT[version], *WEIGHTS[version])}
    if not isinstance(value, Mapping) or not set(value) <= known:
        got = sorted(set(map(str, value)) - known) if isinstance(value, Mapping) else type(value).__name__
        raise SceneError(job.name, "not_scored", f"reasons by sub-score, of {', '.join(sorted(known))}", str(got))
    return {name: str(reason) for name, reason in value.items()}


def _previous(job: SceneJob, ego: EgoState, named: NamedPlans) -> PreviousFrame | None:
    """Return the plan of the same name in the previous scene; None for groups.

    Raises:
        SceneError: The previous scene cannot be read or is not shortly before.
    """
    plan = next((plans for plans in job.previous_plans if plans.name == named.name and not plans.is_group), None)
    if job.previous_data is None or plan is None or named.is_group:
        return None
    try:
        before = scene_from_mapping(job.previous_data).ego
    except EvaluationError as error:
        raise SceneError(job.name, "previous", "a scene that can be read", f"'{error}'") from None
    elapsed_s = (ego.stamp_us - before.stamp_us) * 1e-6
    if not 0.0 < elapsed_s <= LONGEST_S:
        expected = f"a scene at most {LONGEST_S} s earlier by ego.stamp_us"
        raise SceneError(job.name, "previous", expected, f"one {elapsed_s:g} s earlier")
    return PreviousFrame(ego=before, plan_T3=plan.plans_MT3[0], interval_s=plan.interval_s, elapsed_s=elapsed_s)


def _pdms(ready: PreparedScene, named: NamedPlans, not_scored: dict[str, str]) -> PlanScores:
    scores = pdms.score_pdms(ready, named.plans_MT3, interval_s=named.interval_s)
    names = (*PRODUCT[ScoreVersion.PDMS], *WEIGHTS[ScoreVersion.PDMS])
    return _scores(named, scores, names, ScoreVersion.PDMS, not_scored)


def _epdms(
    ready: PreparedScene, named: NamedPlans, not_scored: dict[str, str], previous: PreviousFrame | None
) -> tuple[PlanScores, tuple[str, ...]]:
    scores = epdms.score_epdms(ready, named.plans_MT3, interval_s=named.interval_s, previous=previous)
    names = (*epdms.HARD, *epdms.WEIGHTS)
    return _scores(named, scores, names, ScoreVersion.EPDMS, not_scored), scores.forgiven


def _scores(
    named: NamedPlans, scores: Any, names: tuple[str, ...], version: ScoreVersion, not_scored: dict[str, str]
) -> PlanScores:
    """Convert the result of a scorer, without the sub-scores that the scene's data cannot provide."""
    values = {name: None if name in not_scored else getattr(scores, f"{name}_M") for name in names}
    return PlanScores(
        name=named.name,
        is_group=named.is_group,
        parts=values,
        score_M=scores.score_M if not set(not_scored) & set(names) else total(values, version, len(named.plans_MT3)),
        progress_m_M=scores.progress_m_M,
        reasons=tuple(_kept(reasons, not_scored) for reasons in scores.reasons),
    )


def _kept(reasons: tuple[Reason, ...], not_scored: dict[str, str]) -> tuple[Reason, ...]:
    return tuple(reason for reason in reasons if reason.metric not in not_scored)


def total(parts: dict[str, FloatArray | None], version: ScoreVersion, num_plans: int) -> FloatArray:
    """Return the score (M,) of the scored parts; the others have no weight and are no factor.

    Args:
        parts: Sub-score -> values (M,); None if not scored.
        version: Score to compute.
        num_plans: Number M of plans.
    """
    scored = {name: values for name, values in parts.items() if values is not None}
    weights = {name: weight for name, weight in WEIGHTS[version].items() if name in scored}
    product_M = np.prod([scored[name] for name in PRODUCT[version] if name in scored] or [np.ones(num_plans)], axis=0)
    weighted_M = sum((weight * scored[name] for name, weight in weights.items()), start=np.zeros(num_plans))
    return np.asarray(product_M * (weighted_M / sum(weights.values()))) if sum(weights.values()) else product_M
