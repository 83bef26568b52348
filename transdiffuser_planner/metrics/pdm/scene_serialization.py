"""Scenes as nested lists and numbers for JSON and YAML; docs/scoring.md specifies the format.

Files are read and written by the caller. An unreadable scene is reported in one line; the others are still scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.metrics.pdm.scene import (
    AgentKind,
    Agents,
    Area,
    AreaKind,
    EgoState,
    PastMotion,
    RedLight,
    Scene,
    no_agents,
)
from transdiffuser_planner.metrics.pdm.scene_validation import SceneError

FloatArray = NDArray[np.float64]
Kind = TypeVar("Kind", bound=Enum)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadScenes:
    """Result of reading several scenes.

    Attributes:
        scenes: The readable scenes.
        problems: One line for each of the others.
    """

    scenes: tuple[Scene, ...]
    problems: tuple[str, ...]


def read_scenes(items: Iterable[Any]) -> ReadScenes:
    """Read scenes; an unreadable one is reported and the rest is still read.

    Args:
        items: Mappings as for `scene_from_mapping`.
    """
    scenes, problems = [], []
    for index, item in enumerate(items):
        try:
            scenes.append(_unnamed_scene(f"#{index}", item))
        except EvaluationError as error:
            problems.append(str(error))
    return ReadScenes(scenes=tuple(scenes), problems=tuple(problems))


def _unnamed_scene(name: str, item: Any) -> Scene:
    if not isinstance(item, Mapping):
        raise SceneError(name, "scene", "a mapping", type(item).__name__)
    return scene_from_mapping({"name": name} | dict(item))


def scene_from_mapping(data: Mapping[str, Any]) -> Scene:
    """Read one scene.

    Args:
        data: The mapping of docs/scoring.md.

    Raises:
        EvaluationError: A field is missing or wrong; one line with the field, the expected and the found value.
    """
    name = str(data.get("name", "unnamed"))
    reader = _Reader(name, data, "")
    ego, past = reader.part("ego"), reader.part("past") if data.get("past") else None
    reference, human = data.get("reference"), data.get("human_plan")
    limit = data.get("speed_limit_mps")
    return Scene(
        name=name,
        ego=EgoState(
            pose_3=ego.array("pose", 1),
            velocity_2=ego.array("velocity", 1),
            acceleration_2=ego.array("acceleration", 1, default=[0.0, 0.0]),
            steering_rad=ego.number("steering_rad", 0.0),
            yaw_rate_radps=ego.number("yaw_rate_radps", 0.0),
            yaw_acceleration_radps2=ego.number("yaw_acceleration_radps2", 0.0),
            stamp_us=ego.whole("stamp_us", 0),
        ),
        agents=_agents(reader),
        areas=tuple(
            Area(token=area.text("token"), kind=area.kind("kind", AreaKind), ring_C2=_open_ring(area.array("ring", 2)))
            for area in reader.parts("areas")
        ),
        route=frozenset(str(token) for token in reader.values("route")),
        center_line_K3=reader.array("center_line", 2),
        red_lights=tuple(
            RedLight(
                token=light.text("token"),
                ring_C2=_open_ring(light.array("ring", 2)),
                red_S=light.flags("red"),
            )
            for light in (reader.parts("red_lights") if data.get("red_lights") else [])
        ),
        reference_S3=None if reference is None else reader.array("reference", 2),
        human_plan_T3=None if human is None else reader.array("human_plan", 2),
        human_interval_s=reader.number("human_interval_s", 0.5),
        past=None if past is None else _past(past),
        speed_limit_mps=None if limit is None else reader.number("speed_limit_mps", 0.0),
    )


def _past(reader: _Reader) -> PastMotion:
    return PastMotion(
        stamp_us_H=reader.stamps("stamp_us"),
        heading_H=reader.array("heading", 1),
        acceleration_H2=reader.array("acceleration", 2),
    )


def _open_ring(ring_C2: FloatArray) -> FloatArray:
    """Remove the repetition of the first corner."""
    return ring_C2[:-1] if len(ring_C2) > 3 and (ring_C2[0] == ring_C2[-1]).all() else ring_C2


def _agents(reader: _Reader) -> Agents:
    parts = reader.parts("agents") if reader.data.get("agents") else []
    if not parts:
        return no_agents()
    poses = [part.rows("poses", 3) for part in parts]
    velocities = [part.rows("velocities", 2) for part in parts]
    steps = max(len(rows) for rows in poses)
    for part, pose, velocity in zip(parts, poses, velocities, strict=True):
        if len(pose) != steps or len(velocity) != steps:
            got = f"{len(pose)} poses and {len(velocity)} velocities"
            raise SceneError(reader.scene, part.path.rstrip("."), f"{steps} poses and velocities", got)
    pose_NS3 = np.stack(poses)
    return Agents(
        token_N=tuple(part.text("token") for part in parts),
        kind_N=tuple(part.kind("kind", AgentKind) for part in parts),
        size_N2=np.asarray([[part.number("length_m"), part.number("width_m")] for part in parts]),
        pose_NS3=pose_NS3,
        velocity_NS2=np.stack(velocities),
        valid_NS=np.asarray([[row is not None for row in part.values("poses")] for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads fields of one mapping; errors contain their path."""

    scene: str
    data: Mapping[str, Any]
    path: str

    def value(self, key: str) -> Any:
        if self.data.get(key) is None:
            raise SceneError(self.scene, self.path + key, "a value", "nothing")
        return self.data[key]

    def text(self, key: str) -> str:
        return str(self.value(key))

    def number(self, key: str, default: float | None = None) -> float:
        value = default if key not in self.data and default is not None else self.value(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SceneError(self.scene, self.path + key, "a number", repr(value))
        try:
            return float(value)
        except OverflowError:
            raise SceneError(self.scene, self.path + key, "a number", "one of too many digits") from None

    def whole(self, key: str, default: int) -> int:
        value = self.number(key, float(default))
        if not np.isfinite(value):
            raise SceneError(self.scene, self.path + key, "a finite number", repr(value))
        return int(self.data.get(key, default))

    def flags(self, key: str) -> NDArray[np.bool_]:
        """Read one boolean or one for each step.

        Raises:
            SceneError: A value is no boolean.
        """
        value = self.value(key)
        flags = value if isinstance(value, list | tuple) else [value]
        if not all(isinstance(flag, bool) for flag in flags):
            raise SceneError(self.scene, self.path + key, "true or false, or a list of them", "something else")
        return np.asarray(flags, dtype=bool)

    def array(self, key: str, ndim: int, default: list[float] | None = None) -> FloatArray:
        value = default if key not in self.data and default is not None else self.value(key)
        try:
            values = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise SceneError(self.scene, self.path + key, "numbers in rows of equal length", "something else") from None
        if values.ndim != ndim:
            raise SceneError(self.scene, self.path + key, f"{ndim} levels of lists", str(values.ndim))
        return values

    def stamps(self, key: str) -> NDArray[np.int64]:
        """Read whole numbers of microseconds.

        Raises:
            SceneError: A value is NaN, infinite or too large.
        """
        values = self.array(key, 1)
        if not (np.abs(values) < 2.0**60).all():
            raise SceneError(self.scene, self.path + key, "microseconds", "NaN, inf or too large a number")
        return values.astype(np.int64)

    def rows(self, key: str, width: int) -> FloatArray:
        """Read rows of numbers; null marks an unknown row.

        Raises:
            SceneError: A row has another width.
        """
        missing = [float("nan")] * width
        rows = [missing if row is None else row for row in self.values(key)]
        values = _Reader(self.scene, {key: rows}, self.path).array(key, 2)
        if values.shape[1] != width:
            raise SceneError(self.scene, self.path + key, f"rows of {width}", f"rows of {values.shape[1]}")
        return values

    def values(self, key: str) -> list[Any]:
        value = self.value(key)
        if not isinstance(value, list | tuple):
            raise SceneError(self.scene, self.path + key, "a list", type(value).__name__)
        return list(value)

    def kind(self, key: str, kinds: type[Kind]) -> Kind:
        value = self.value(key)
        for kind in kinds:
            if kind.value == value:
                return kind
        raise SceneError(
            self.scene, self.path + key, f"one of {', '.join(str(kind.value) for kind in kinds)}", repr(value)
        )

    def part(self, key: str) -> _Reader:
        value = self.value(key)
        if not isinstance(value, Mapping):
            raise SceneError(self.scene, self.path + key, "a mapping", type(value).__name__)
        return _Reader(self.scene, value, f"{self.path}{key}.")

    def parts(self, key: str) -> list[_Reader]:
        readers = []
        for index, value in enumerate(self.values(key)):
            if not isinstance(value, Mapping):
                raise SceneError(self.scene, f"{self.path}{key}[{index}]", "a mapping", type(value).__name__)
            readers.append(_Reader(self.scene, value, f"{self.path}{key}[{value.get('token', index)}]."))
        return readers


def scene_to_mapping(scene: Scene) -> dict[str, Any]:
    """Convert a scene to the mapping read by `scene_from_mapping`."""
    ego, agents, past = scene.ego, scene.agents, scene.past
    return {
        "name": scene.name,
        "ego": {
            "pose": ego.pose_3.tolist(),
            "velocity": ego.velocity_2.tolist(),
            "acceleration": ego.acceleration_2.tolist(),
            "steering_rad": float(ego.steering_rad),
            "yaw_rate_radps": float(ego.yaw_rate_radps),
            "yaw_acceleration_radps2": float(ego.yaw_acceleration_radps2),
            "stamp_us": int(ego.stamp_us),
        },
        "agents": [
            {
                "token": agents.token_N[n],
                "kind": agents.kind_N[n].value,
                "length_m": float(agents.size_N2[n, 0]),
                "width_m": float(agents.size_N2[n, 1]),
                "poses": _rows(agents.pose_NS3[n], agents.valid_NS[n]),
                "velocities": _rows(agents.velocity_NS2[n], agents.valid_NS[n]),
            }
            for n in range(len(agents.token_N))
        ],
        "areas": [
            {"token": area.token, "kind": area.kind.value, "ring": area.ring_C2.tolist()} for area in scene.areas
        ],
        "route": sorted(scene.route),
        "center_line": scene.center_line_K3.tolist(),
        "red_lights": [
            {"token": light.token, "ring": light.ring_C2.tolist(), "red": light.red_S.tolist()}
            for light in scene.red_lights
        ],
        "reference": None if scene.reference_S3 is None else scene.reference_S3.tolist(),
        "human_plan": None if scene.human_plan_T3 is None else scene.human_plan_T3.tolist(),
        "human_interval_s": scene.human_interval_s,
        "past": past
        and {
            "stamp_us": past.stamp_us_H.tolist(),
            "heading": past.heading_H.tolist(),
            "acceleration": past.acceleration_H2.tolist(),
        },
        "speed_limit_mps": scene.speed_limit_mps,
    }


def _rows(values_SX: FloatArray, valid_S: NDArray[np.bool_]) -> list[list[float] | None]:
    return [row if valid else None for row, valid in zip(values_SX.tolist(), valid_S.tolist(), strict=True)]
