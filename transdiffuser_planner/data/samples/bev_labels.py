"""Bird's-eye semantics as a label: ground-truth map and agents drawn into the grid of the contract."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.contract import BevClass, ModelContract
from transdiffuser_planner.core.geometry import box_corners
from transdiffuser_planner.core.types import EgoState
from transdiffuser_planner.data.logs.drive_log import MapPiece
from transdiffuser_planner.data.logs.map_elements import PieceKind

DRIVING_LANE, JUNCTION, LANE_CENTER = PieceKind.DRIVING_LANE, PieceKind.JUNCTION, PieceKind.LANE_CENTER
SIDEWALK, DRIVABLE_AREA = PieceKind.SIDEWALK, PieceKind.DRIVABLE_AREA
_DRAWN = (DRIVING_LANE, JUNCTION, LANE_CENTER, SIDEWALK, DRIVABLE_AREA)
_FINE = 4


class BevPainter:
    """Draws labels of one map."""

    def __init__(self, pieces: list[MapPiece], contract: ModelContract) -> None:
        self._contract = contract
        self._pieces = [
            (kind, xy, xy.min(axis=0), xy.max(axis=0)) for kind, xy in pieces if kind in _DRAWN and len(xy) >= 2
        ]

    def paint(self, ego: EgoState, agents: AgentStates) -> NDArray[np.uint8]:
        """The label (L, L) of BevClass around the ego; agents are in the ego's frame_id.

        Junction areas end at the pavements drawn over them; lane center lines are one cell wide.
        """
        contract = self._contract
        reach = contract.range_m * 1.45
        center = np.asarray([ego.x_m, ego.y_m])
        near = [
            (kind, xy)
            for kind, xy, low, high in self._pieces
            if (low < center + reach).all() and (high > center - reach).all()
        ]
        fine = Image.new("L", (contract.bev_cells * _FINE,) * 2, int(BevClass.BACKGROUND))
        draw = ImageDraw.Draw(fine)
        order = ((JUNCTION, BevClass.ROAD), (DRIVABLE_AREA, BevClass.ROAD), (SIDEWALK, BevClass.WALKWAY))
        for wanted, value in (*order, (DRIVING_LANE, BevClass.ROAD)):
            for kind, xy in near:
                if kind == wanted and len(xy) >= 3:
                    draw.polygon(self._pixels(ego, xy, _FINE), fill=int(value))
        grid = np.asarray(fine)[_FINE // 2 :: _FINE, _FINE // 2 :: _FINE]
        label = Image.fromarray(np.ascontiguousarray(grid))
        draw = ImageDraw.Draw(label)
        for kind, xy in near:
            if kind == LANE_CENTER:
                draw.line(self._pixels(ego, xy, 1), fill=int(BevClass.CENTER_LINE))
        self._paint_agents(draw, ego, agents)
        return np.asarray(label)

    def _paint_agents(self, draw: ImageDraw.ImageDraw, ego: EgoState, agents: AgentStates) -> None:
        corners = box_corners(agents.x_m_N, agents.y_m_N, agents.heading_rad_N, agents.length_m_N, agents.width_m_N)
        people = (int(AgentClass.PEDESTRIAN), int(AgentClass.BICYCLE))
        for i in range(len(agents)):
            value = BevClass.PERSON if int(agents.class_N[i]) in people else BevClass.VEHICLE
            draw.polygon(self._pixels(ego, corners[i], 1), fill=int(value))

    def _pixels(self, ego: EgoState, xy_N2: NDArray[np.float64], scale: int) -> list[tuple[float, float]]:
        """(column, row) positions of map points."""
        dx, dy = xy_N2[:, 0] - ego.x_m, xy_N2[:, 1] - ego.y_m
        cos, sin = np.cos(ego.heading_rad), np.sin(ego.heading_rad)
        ahead, left = cos * dx + sin * dy, cos * dy - sin * dx
        per_m = scale / self._contract.bev_cell_m
        column, row = (self._contract.range_m - left) * per_m - 0.5, (self._contract.range_m - ahead) * per_m - 0.5
        return list(zip(column.tolist(), row.tolist(), strict=True))
