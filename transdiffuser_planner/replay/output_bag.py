"""The bag that a replay leaves: the inputs as they were, and the plans beside them."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.recording import encode_plan
from transdiffuser_planner.recording.bag_reader import BagMessage
from transdiffuser_planner.recording.bag_writer import BagWriter
from transdiffuser_planner.recording.definitions import make_message, typestore
from transdiffuser_planner.replay.cycles import Cycle

COPIED_TYPES = frozenset(
    {
        "sensor_msgs/msg/Image",
        "sensor_msgs/msg/CompressedImage",
        "sensor_msgs/msg/CameraInfo",
        "sensor_msgs/msg/PointCloud2",
        "nav_msgs/msg/Odometry",
        "nav_msgs/msg/Path",
        "derived_object_msgs/msg/ObjectArray",
        "carla_msgs/msg/CarlaTrafficLightStatusList",
        "carla_msgs/msg/CarlaTrafficLightInfoList",
        "carla_msgs/msg/CarlaCollisionEvent",
        "transdiffuser_msgs/msg/MapPolygons",
    }
)
"""Message types that reports look at, besides the planner's inputs and outputs."""


class OutputBag:
    """A bag being written. Use as a context manager."""

    def __init__(self, path: Path, config: PlannerConfig) -> None:
        """Create the bag.

        Raises:
            RecordingError: The path exists or cannot be created.
        """
        self._writer = BagWriter(path)
        self._config = config

    def copy(self, item: BagMessage) -> None:
        """An input, as it was; the source's own planner outputs are left behind."""
        if not item.topic.startswith(encode_plan.OUTPUT_NAMESPACE) and item.type_name in typestore().types:
            self._writer.write(item.topic, item.type_name, item.log_time_ns, item.message)

    def write(self, cycle: Cycle) -> None:
        """Everything that the node would have published in a cycle."""
        messages = encode_plan.outputs(make_message, cycle.stamp_ns, cycle.outcome, cycle.latency_ms, self._config)
        for name, type_name, message in messages:
            self._writer.write(f"{encode_plan.OUTPUT_NAMESPACE}/{name}", type_name, cycle.log_time_ns, message)

    def __enter__(self) -> OutputBag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
