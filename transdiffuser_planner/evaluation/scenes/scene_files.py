"""Reads scenes and plans from JSON or YAML files; docs/scoring.md documents the format.

Unreadable items are reported in one line each; the rest is still scored. M plans of a group, T poses of a plan.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.files import read_text, write_text
from transdiffuser_planner.metrics.pdm.scene import check_plans
from transdiffuser_planner.metrics.pdm.scene_validation import LARGEST, SceneError

FloatArray = NDArray[np.float64]

INTERVAL_S: Final = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedPlans:
    """Plans of one name in one scene.

    Attributes:
        name: Plans of this name are averaged over scenes.
        plans_MT3: One plan, or a group of candidates.
        is_group: Whether the file has a list of plans instead of one.
        interval_s: Time between poses.
    """

    name: str
    plans_MT3: FloatArray
    is_group: bool
    interval_s: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneJob:
    """One scene to score: its mapping as in the file, its plans, and the scene half a second before it, if any.

    Attributes:
        name: Name of the scene.
        data: Mapping of the scene.
        plans: Plans to score.
        previous_data: Mapping of the previous scene, if any.
        previous_plans: Plans of the previous scene.
        problems: One line for each plan that could not be read.
    """

    name: str
    data: Mapping[str, Any]
    plans: tuple[NamedPlans, ...]
    previous_data: Mapping[str, Any] | None = None
    previous_plans: tuple[NamedPlans, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadJobs:
    """Result of reading scene files.

    Attributes:
        jobs: Scenes with plans, in the order of the files.
        problems: One line for each file, scene or plan that is skipped.
    """

    jobs: tuple[SceneJob, ...]
    problems: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    """Scenes and plans by name of scene, and problems."""

    scenes: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    plans: dict[str, dict[str, NamedPlans]] = field(default_factory=dict)
    plan_problems: dict[str, list[str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_jobs(files: Iterable[Path], plan_file: Path | None = None) -> ReadJobs:
    """Read scene files, and plans of a separate file.

    Args:
        files: Scene files.
        plan_file: File of plans by name of scene; None for none.

    Raises:
        EvaluationError: The file of plans cannot be read.
    """
    found = _Found()
    for path in files:
        try:
            _add_scenes(found, path, scene_list(path))
        except EvaluationError as error:
            found.problems.append(str(error))
    if plan_file is not None:
        _add_plan_file(found, plan_file)
    jobs = []
    for name, data in found.scenes.items():
        plans, problems = found.plans[name], found.plan_problems[name]
        if not plans:
            missing = str(SceneError(name, "plans", "at least one plan, here or in --plans", "none that can be read"))
            found.problems += problems or [missing]
            continue
        before = None if data.get("previous") is None else str(data["previous"])
        if before is not None and before not in found.scenes:
            found.problems.append(str(SceneError(name, "previous", "the name of a scene", repr(before))))
            continue
        jobs.append(
            SceneJob(
                name=name,
                data=data,
                plans=tuple(plans.values()),
                previous_data=None if before is None else found.scenes[before],
                previous_plans=() if before is None else tuple(found.plans[before].values()),
                problems=tuple(problems),
            )
        )
    return ReadJobs(jobs=tuple(jobs), problems=tuple(found.problems))


def read_content(path: Path) -> Any:
    """Read the content of a JSON or YAML file.

    Args:
        path: The file.

    Raises:
        EvaluationError: The file cannot be read or is neither.
    """
    try:
        text = read_text(path)
        if path.suffix == ".json":
            return json.loads(text)
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise EvaluationError(f"file {path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        first = " ".join(str(error).split())[:150]
        raise EvaluationError(f"file {path}: expected JSON (.json) or YAML, got something else ({first})") from None


def scene_list(path: Path) -> list[Any]:
    """Read the scenes of a file: a list, a mapping with the key scenes, or a single scene.

    Args:
        path: The file.

    Raises:
        EvaluationError: The file cannot be read or contains no scene.
    """
    content = read_content(path)
    if isinstance(content, Mapping):
        content = content.get("scenes", [content])
    if not isinstance(content, list) or not content:
        got = "an empty file" if not content else type(content).__name__
        raise EvaluationError(f"file {path}: expected a scene, a list of scenes or the key 'scenes', got {got}")
    return content


def write_scenes(path: Path, items: list[dict[str, Any]]) -> None:
    """Write scenes as JSON or YAML, by the file's extension; numbers to a hundredth of a millimeter or milliradian.

    Args:
        path: File to write.
        items: Mappings of scenes.

    Raises:
        OutputError: The file cannot be written.
    """
    content = {"scenes": _rounded(items)}
    text = (
        json.dumps(content)
        if path.suffix == ".json"
        else yaml.safe_dump(content, sort_keys=False, default_flow_style=None)
    )
    write_text(path, text)


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 5) if isinstance(value, float) else value


def _add_scenes(found: _Found, path: Path, items: list[Any]) -> None:
    for index, item in enumerate(items):
        name = str(item.get("name", f"{path.stem}#{index}")) if isinstance(item, Mapping) else f"{path.stem}#{index}"
        try:
            if not isinstance(item, Mapping):
                raise SceneError(name, "scene", "a mapping", type(item).__name__)
            if name in found.scenes:
                raise SceneError(name, "name", "a name of its own", f"one that is there before, again in {path.name}")
            found.plans[name], found.plan_problems[name] = read_plans(name, item.get("plans"), item)
            found.scenes[name] = {**item, "name": name}
        except EvaluationError as error:
            found.problems.append(str(error))


def _add_plan_file(found: _Found, path: Path) -> None:
    content = read_content(path)
    plans = content.get("plans") if isinstance(content, Mapping) else None
    if not isinstance(plans, Mapping):
        raise EvaluationError(f"file {path}: expected the key 'plans' with plans by name of scene, got none")
    for name, of_scene in plans.items():
        if str(name) not in found.scenes:
            found.problems.append(f"file {path}: plans of '{name}': expected the name of a scene, got an unknown one")
            continue
        named, problems = read_plans(str(name), of_scene, content)
        found.plans[str(name)] |= named
        found.plan_problems[str(name)] += problems


def read_plans(scene: str, value: Any, container: Mapping[str, Any]) -> tuple[dict[str, NamedPlans], list[str]]:
    """Read plans by name, and one line for each that cannot be scored.

    Args:
        scene: Name of the scene, for messages.
        value: Name -> poses or list of plans; a bare list is one plan or group named plan; None for none.
        container: Mapping that may contain plan_interval_s.
    """
    if value is None:
        return {}, []
    interval_s = container.get("plan_interval_s", INTERVAL_S)
    if isinstance(interval_s, bool) or not isinstance(interval_s, int | float):
        return {}, [str(SceneError(scene, "plan_interval_s", "a number", repr(interval_s)))]
    named: dict[str, NamedPlans] = {}
    problems = []
    for name, poses in (value if isinstance(value, Mapping) else {"plan": value}).items():
        try:
            named[str(name)] = _named_plans(scene, str(name), poses, float(max(-LARGEST, min(interval_s, LARGEST))))
        except EvaluationError as error:
            problems.append(str(error))
    return named, problems


def _named_plans(scene: str, name: str, poses: Any, interval_s: float) -> NamedPlans:
    label = f"plans[{name}]"
    try:
        values = np.asarray(poses, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise SceneError(scene, label, "poses [x, y, heading] in plans of equal length", "something else") from None
    if values.ndim not in (2, 3):
        raise SceneError(scene, label, "poses (T, 3), or a list of plans (M, T, 3)", f"shape {values.shape}")
    plans_MT3 = values if values.ndim == 3 else values[None]
    check_plans(scene, label, plans_MT3, interval_s)
    return NamedPlans(name=name, plans_MT3=plans_MT3, is_group=values.ndim == 3, interval_s=interval_s)
