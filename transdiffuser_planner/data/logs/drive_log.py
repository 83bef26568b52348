"""A recorded drive, independent of its source: samples, scenes and reports are made from it. N route points."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import (
    Acceleration,
    CameraIntrinsics,
    DrivingCommand,
    Route,
    SignalState,
    TrafficSignal,
    Trajectory,
)
from transdiffuser_planner.data.logs.map_elements import MapLane
from transdiffuser_planner.data.logs.map_elements import MapPiece as MapPiece
from transdiffuser_planner.data.logs.sensor_frames import SensorFrame
from transdiffuser_planner.data.logs.tracks import AgentTracks, EgoTrack
from transdiffuser_planner.messages.decode_outputs import RecordedAgents, RecordedCandidates, RecordedStatus
from transdiffuser_planner.messages.input_registry import SnapshotSink
from transdiffuser_planner.messages.topic_map import TopicMap

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogMessage:
    """One recorded input of the planner, decoded on request only.

    Attributes:
        name: Name of the input in the input registry, such as "lidar".
        camera: Name of the rig's camera; "" for other inputs.
        stamp_ns: Stamp of the message; of the newest odometry where the message has none.
        decode: Returns the value; raises InputError if it cannot be used.
        deliver: Decodes the value into a sink; returns the reason if it is rejected.
    """

    name: str
    camera: str
    stamp_ns: int
    decode: Callable[[], Any]
    deliver: Callable[[SnapshotSink], str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogRequest:
    """A drive to read.

    Attributes:
        path: Folder or file of the drive.
        topics: Topic of each input, for sources that have topics.
        rig: Its odometry offset moves the ego to base_link; None for odometry of base_link.
        on_input: Called with every input in order of recording, sensor frames included; None skips sensor frames.
        any_ground_truth: Read agents and map from any topic of their type where the mapped one is missing.
    """

    path: Path
    topics: TopicMap
    rig: Rig | None = None
    on_input: Callable[[LogMessage], None] | None = None
    any_ground_truth: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TrafficLight:
    """A signal head of the map: position in m and heading of the side that it shows.

    Attributes:
        number: Its number in ``light_states``.
        x_m, y_m: Its place; in logs of data sets that of the stop line, as the place of the head is not known.
        facing_rad: Direction in which it shines.
        lane: Number of the lane that it controls; None in bags, whose messages do not hold it.
    """

    number: int
    x_m: float
    y_m: float
    facing_rad: float
    lane: int | None = None


@dataclass(frozen=True, slots=True)
class PackedLabels:
    """Classes of a camera's pixels; large areas of one class take little memory.

    Attributes:
        shape: Rows and columns.
        packed: Compressed bytes.
    """

    shape: tuple[int, int]
    packed: bytes

    @staticmethod
    def of(label_HW: NDArray[np.uint8]) -> PackedLabels:
        """Compress labels."""
        return PackedLabels((label_HW.shape[0], label_HW.shape[1]), zlib.compress(label_HW.tobytes(), 1))

    def unpack(self) -> NDArray[np.uint8]:
        """Return the labels (H, W)."""
        return np.frombuffer(zlib.decompress(self.packed), dtype=np.uint8).reshape(self.shape)


@dataclass(kw_only=True, slots=True)
class PlannerOutput:
    """Recorded output of a planner, in order of arrival."""

    trajectories: list[Trajectory] = field(default_factory=list)
    candidates: list[RecordedCandidates] = field(default_factory=list)
    predicted_agents: list[RecordedAgents] = field(default_factory=list)
    statuses: list[RecordedStatus] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSet:
    """The data set that a drive is part of.

    Attributes:
        name: Of the data set.
        license: Under which its data may be used.
        stated_at: Address at which its makers state that.
    """

    name: str
    license: str
    stated_at: str


@dataclass(kw_only=True, slots=True)
class DriveLog:
    """A recorded drive; lists are in order of arrival, pairs are (stamp in ns, value), positions in the odometry's frame.

    Attributes:
        path: Folder or file that it was read from.
        inputs: Names of the inputs and of the ground truth that it holds, as in ``TopicMap``, and "collisions".
        topics: Topic -> message type; empty for sources without topics.
        ego: Odometry in base_link.
        acceleration: Of the rear axle.
        intrinsics: Newest intrinsics of each camera.
        routes: Routes with their stamps.
        commands, signals, speed_limits: Driving commands, the route's next traffic light, speed limits in m/s.
        agents: Ground truth of the agents.
        map_name, map_pieces: Newest ground truth of the road.
        view_labels: Stamp -> camera -> recorded classes of its pixels, packed; empty unless sensor frames are passed on.
        lights, light_states: Signal heads of the map, and the state of each by its number.
        collisions: Stamps and ids of the other agents, at every step of a collision.
        output: Output of the planner that drove or was replayed.
        rig: Sensors and vehicle as calibrated by the data set; None for bags, whose rig is a file of its own.
        lanes: Lanes with neighbors and successors; empty for bags, whose messages hold map_pieces only.
        frames: Sensor frames in order of stamps, to be read on request; empty for bags, which pass them to on_input.
        frame_names: Stamp -> name of the frame in its data set; empty where frames have none.
        data_set: Data set and license; None for bags.
        origin_xyz_m: Position of the frame's origin in the data set's own frame.
        drives_on_left: Whether traffic keeps to the left; None where the source does not state it.
        notes: One line for each part that is missing from the source or that could not be read.
        rejected: Messages that could not be used, by reason.
        damage: Reason why the recording could not be read to its end, or "".
    """

    path: Path
    inputs: frozenset[str] = frozenset()
    topics: dict[str, str] = field(default_factory=dict)
    ego: EgoTrack = field(default_factory=lambda: EgoTrack([]))
    acceleration: list[Acceleration] = field(default_factory=list)
    intrinsics: dict[str, CameraIntrinsics] = field(default_factory=dict)
    routes: list[tuple[int, Route]] = field(default_factory=list)
    commands: list[tuple[int, DrivingCommand]] = field(default_factory=list)
    signals: list[TrafficSignal] = field(default_factory=list)
    speed_limits: list[tuple[int, float]] = field(default_factory=list)
    agents: AgentTracks = field(default_factory=AgentTracks)
    map_name: str = ""
    map_pieces: list[MapPiece] = field(default_factory=list)
    view_labels: dict[int, dict[str, PackedLabels]] = field(default_factory=dict)
    lights: list[TrafficLight] = field(default_factory=list)
    light_states: list[tuple[int, dict[int, SignalState]]] = field(default_factory=list)
    collisions: list[tuple[int, int]] = field(default_factory=list)
    output: PlannerOutput = field(default_factory=PlannerOutput)
    rig: Rig | None = None
    lanes: list[MapLane] = field(default_factory=list)
    frames: list[SensorFrame] = field(default_factory=list)
    frame_names: dict[int, str] = field(default_factory=dict)
    data_set: DataSet | None = None
    origin_xyz_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    drives_on_left: bool | None = None
    notes: list[str] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)
    damage: str = ""

    def why_no_odometry(self, topics: TopicMap) -> str:
        """Why the drive holds no usable odometry, and what to do; "" when it holds some.

        Args:
            topics: Topic map with which it was read.
        """
        if len(self.ego):
            return ""
        if not self.topics:
            return f"bag {self.path}: holds no messages"
        if "odometry" not in self.inputs:
            listed = ", ".join(sorted(self.topics))
            sought = f"bag {self.path}: holds no odometry on '{topics.odometry}'; it has {listed}"
            return f"{sought}; choose --preset or give --topics"
        why = self.damage or "; ".join(self.rejected) or "no message"
        return f"bag {self.path}: holds no usable odometry ({why})"

    @property
    def name(self) -> str:
        """Name of the drive's folder, or of its file where one folder holds many drives."""
        if self.path.suffix == ".pkl":
            return self.path.stem
        return (self.path.parent if self.path.is_file() else self.path).name
