"""The bag that a replay leaves: the inputs as they were, and the plans beside them."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.data.bags.bag_reader import BagMessage
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages import encode_outputs
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.replay.bag_planner import Cycle
from transdiffuser_planner.replay.output.viewer_transforms import TF_TYPE, FrameWriter

LEFT_OUT_TYPES = frozenset({"rosgraph_msgs/msg/Clock"})
"""Not copied: whoever plays the bag publishes a clock of their own."""

REFERENCE_PREFIX = "/reference"
"""What goes before the topics of plans that the source held already."""


class OutputBag:
    """A bag being written. Use as a context manager."""

    def __init__(self, path: Path, config: PlannerConfig, vehicle: VehicleModel, frames: FrameWriter) -> None:
        """Create the bag.

        Args:
            path: Of the new bag.
            config: Of the replay, for the status.
            vehicle: Its wheelbase decides the front-wheel angles.
            frames: Gives the transforms that the source is missing.

        Raises:
            RecordingError: The path exists or cannot be created.
        """
        self._writer = BagWriter(path)
        self._config, self._vehicle, self._frames = config, vehicle, frames

    def copy(self, item: BagMessage, definition: tuple[str, str] | None) -> None:
        """A recorded message as it was, with its type's definition; the source's own plans become the reference."""
        if item.type_name in LEFT_OUT_TYPES:
            return
        recorded_plan = item.topic.startswith(encode_outputs.OUTPUT_NAMESPACE)
        topic = REFERENCE_PREFIX + item.topic if recorded_plan else item.topic
        self._writer.write_raw(topic, item.type_name, item.log_time_ns, item.raw, definition)
        if item.message is not None:
            for tf_topic, message in self._frames.messages(item.topic, item.message):
                self._writer.write(tf_topic, TF_TYPE, item.log_time_ns, message)

    def write(self, cycle: Cycle) -> None:
        """Everything that the node would have published in a cycle."""
        what = (cycle.stamp_ns, cycle.outcome, cycle.latency_ms)
        messages = encode_outputs.outputs(make_message, *what, config=self._config, vehicle=self._vehicle)
        for name, type_name, message in messages:
            self._writer.write(f"{encode_outputs.OUTPUT_NAMESPACE}/{name}", type_name, cycle.log_time_ns, message)

    def __enter__(self) -> OutputBag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
