"""A plan as visualization_msgs/MarkerArray, so that RViz, Foxglove and Rerun draw it without a plugin."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import BevClass
from transdiffuser_planner.core.geometry import global_from_local
from transdiffuser_planner.core.types import FallbackLevel, PlanResult
from transdiffuser_planner.messages.definitions import MessageFactory
from transdiffuser_planner.messages.encode_inputs import duration, header, point, pose, vector3

_CUBE, _LINE_STRIP, _LINE_LIST, _POINTS, _ADD, _DELETE_ALL = 1, 4, 5, 8, 0, 3
_SEEN_RGBA = {
    BevClass.ROAD: (0.35, 0.35, 0.40, 0.60),
    BevClass.CENTER_LINE: (0.90, 0.90, 0.95, 0.60),
    BevClass.WALKWAY: (0.45, 0.60, 0.45, 0.50),
    BevClass.VEHICLE: (0.95, 0.75, 0.20, 0.70),
    BevClass.PERSON: (0.95, 0.25, 0.35, 0.80),
}
_PLAN_RGBA = (0.10, 0.75, 0.35, 0.95)
_FALLBACK_RGBA = (0.95, 0.35, 0.10, 0.95)
_CANDIDATE_RGBA = (0.35, 0.55, 0.95, 0.35)
_AGENT_RGBA = (0.95, 0.75, 0.20, 0.60)
_AGENT_PATH_RGBA = (0.95, 0.60, 0.10, 0.80)
_LIFETIME_S = 0.5
_BOX_HEIGHT_M = 1.6


def markers(make: MessageFactory, result: PlanResult) -> Any:
    """visualization_msgs/MarkerArray: candidates, plan (orange for a fallback), agent boxes and their likeliest paths."""
    draw = _Painter(make, result.trajectory.stamp_ns, result.trajectory.frame_id)
    plan, agents = result.candidates, result.agents
    start = np.asarray([result.trajectory.x_m_T[0], result.trajectory.y_m_T[0]])
    lines = [np.vstack([start, pose_T3[:, :2]]) for pose_T3 in plan.pose_MT3]
    segments = [np.repeat(line, 2, axis=0)[1:-1] for line in lines]
    draw.clear()
    if segments:
        draw.line("candidates", 0, _LINE_LIST, np.concatenate(segments), _CANDIDATE_RGBA, 0.08)
    color = _PLAN_RGBA if result.fallback_level == FallbackLevel.NONE else _FALLBACK_RGBA
    planned = np.stack([result.trajectory.x_m_T, result.trajectory.y_m_T], axis=-1)
    draw.line("plan", 0, _LINE_STRIP, planned, color, 0.35)
    best = result.chosen if result.chosen >= 0 or not segments else int(plan.probability_M.argmax())
    for i in range(len(agents.id_A)):
        number = int(agents.id_A[i]) % 2**31
        draw.box("agents", number, agents.pose_A3[i], agents.length_m_A[i], agents.width_m_A[i], _AGENT_RGBA)
        if 0 <= best < len(agents.path_MAT3):
            path = np.vstack([agents.pose_A3[i, :2], agents.path_MAT3[best, i, :, :2]])
            draw.line("agent_paths", number, _LINE_STRIP, path, _AGENT_PATH_RGBA, 0.15)
    return make("visualization_msgs/msg/MarkerArray", markers=draw.markers)


def seen(make: MessageFactory, result: PlanResult, range_m: float) -> Any:
    """visualization_msgs/MarkerArray: the encoder's road, vehicles and persons, one point per cell.

    Args:
        make: Makes messages.
        result: A cycle's result.
        range_m: Half the edge of the bird's-eye map, as in the model's contract.
    """
    trajectory, grid = result.trajectory, result.bev_probability_KLL
    draw = _Painter(make, trajectory.stamp_ns, trajectory.frame_id)
    draw.clear()
    if grid is None:
        return make("visualization_msgs/msg/MarkerArray", markers=draw.markers)
    cells = grid.shape[-1]
    cell_m = 2.0 * range_m / cells
    start_3 = np.asarray([trajectory.x_m_T[0], trajectory.y_m_T[0], trajectory.heading_rad_T[0]])
    kind_LL = grid.argmax(axis=0)
    for kind, rgba in _SEEN_RGBA.items():
        row, column = np.nonzero(kind_LL == kind)
        local = np.stack([range_m - (row + 0.5) * cell_m, range_m - (column + 0.5) * cell_m, 0.0 * row], axis=-1)
        draw.line(f"seen {kind.name.lower()}", 0, _POINTS, global_from_local(start_3, local)[:, :2], rgba, cell_m)
    return make("visualization_msgs/msg/MarkerArray", markers=draw.markers)


class _Painter:
    """Collects markers of one stamp and frame."""

    def __init__(self, make: MessageFactory, stamp_ns: int, frame_id: str) -> None:
        self._make = make
        self._header = header(make, stamp_ns, frame_id)
        self._origin = pose(make, 0.0, 0.0, 0.0)
        self.markers: list[Any] = []

    def clear(self) -> None:
        """Delete all earlier markers."""
        self._add("", 0, _CUBE, _DELETE_ALL, self._origin, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0), [])

    def line(
        self,
        namespace: str,
        number: int,
        kind: int,
        xy_N2: NDArray[np.float64],
        rgba: tuple[float, float, float, float],
        width_m: float,
    ) -> None:
        """A line 0.1 m above the ground."""
        points = [point(self._make, float(x), float(y), 0.1) for x, y in xy_N2]
        self._add(namespace, number, kind, _ADD, self._origin, (width_m, width_m, 0.0), rgba, points)

    def box(
        self,
        namespace: str,
        number: int,
        pose_3: NDArray[np.float64],
        length_m: float,
        width_m: float,
        rgba: tuple[float, float, float, float],
    ) -> None:
        """A box on the ground."""
        where = pose(self._make, float(pose_3[0]), float(pose_3[1]), float(pose_3[2]), _BOX_HEIGHT_M / 2.0)
        self._add(namespace, number, _CUBE, _ADD, where, (length_m, width_m, _BOX_HEIGHT_M), rgba, [])

    def _add(
        self,
        namespace: str,
        number: int,
        kind: int,
        action: int,
        where: Any,
        scale: tuple[float, float, float],
        rgba: tuple[float, float, float, float],
        points: list[Any],
    ) -> None:
        make = self._make
        color = make("std_msgs/msg/ColorRGBA", **dict(zip("rgba", rgba, strict=True)))
        no_time = make("builtin_interfaces/msg/Time", sec=0, nanosec=0)
        no_texture = make(
            "sensor_msgs/msg/CompressedImage",
            header=make("std_msgs/msg/Header", stamp=no_time, frame_id=""),
            format="",
            data=np.zeros(0, dtype=np.uint8),
        )
        self.markers.append(
            make(
                "visualization_msgs/msg/Marker",
                header=self._header,
                ns=namespace,
                id=number,
                type=kind,
                action=action,
                pose=where,
                scale=vector3(make, *scale),
                color=color,
                lifetime=duration(make, _LIFETIME_S),
                frame_locked=False,
                points=points,
                colors=[],
                texture_resource="",
                texture=no_texture,
                uv_coordinates=[],
                text="",
                mesh_resource="",
                mesh_file=make("visualization_msgs/msg/MeshFile", filename="", data=np.zeros(0, dtype=np.uint8)),
                mesh_use_embedded_materials=False,
            )
        )
