"""Traffic participants as arrays, shared by simulator, labels, tracker, scoring and messages."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class AgentClass(IntEnum):
    """Kinds of traffic participants; the index is also the model's class channel."""

    CAR = 0
    TRUCK = 1
    MOTORCYCLE = 2
    BICYCLE = 3
    PEDESTRIAN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentStates:
    """N agents at one instant, all arrays of length N, in one named frame.

    Attributes:
        frame_id: Frame of position and heading, for example "map" or "base_link".
        id_N: Stable identifiers, uint32.
        class_N: Values of AgentClass, int8.
        x_m_N, y_m_N: Center of the bounding box.
        heading_rad_N: Direction of the box's length, counter-clockwise from +x.
        speed_mps_N: Speed along the heading.
        length_m_N, width_m_N, height_m_N: Box dimensions.
        braking_N: Brake lights lit, bool.
    """

    frame_id: str
    id_N: NDArray[np.uint32]
    class_N: NDArray[np.int8]
    x_m_N: NDArray[np.float64]
    y_m_N: NDArray[np.float64]
    heading_rad_N: NDArray[np.float64]
    speed_mps_N: NDArray[np.float64]
    length_m_N: NDArray[np.float64]
    width_m_N: NDArray[np.float64]
    height_m_N: NDArray[np.float64]
    braking_N: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.id_N)

    def select(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> AgentStates:
        """Select agents by a boolean mask or by integer indices, in that order."""
        return AgentStates(
            frame_id=self.frame_id,
            id_N=self.id_N[index],
            class_N=self.class_N[index],
            x_m_N=self.x_m_N[index],
            y_m_N=self.y_m_N[index],
            heading_rad_N=self.heading_rad_N[index],
            speed_mps_N=self.speed_mps_N[index],
            length_m_N=self.length_m_N[index],
            width_m_N=self.width_m_N[index],
            height_m_N=self.height_m_N[index],
            braking_N=self.braking_N[index],
        )

    @staticmethod
    def empty(frame_id: str) -> AgentStates:
        """Zero agents in a frame."""
        zeros = np.zeros(0, dtype=np.float64)
        return AgentStates(
            frame_id=frame_id,
            id_N=np.zeros(0, dtype=np.uint32),
            class_N=np.zeros(0, dtype=np.int8),
            x_m_N=zeros,
            y_m_N=zeros,
            heading_rad_N=zeros,
            speed_mps_N=zeros,
            length_m_N=zeros,
            width_m_N=zeros,
            height_m_N=zeros,
            braking_N=np.zeros(0, dtype=np.bool_),
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrackedAgents:
    """Agents that another program tracks, in place of the planner's own detections.

    Attributes:
        stamp_ns: Their time.
        states: The agents; identifiers are stable over messages.
        existence_N: Probability in 0..1.
    """

    stamp_ns: int
    states: AgentStates
    existence_N: NDArray[np.float64]
