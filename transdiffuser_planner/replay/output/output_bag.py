"""Writes the output bag of a replay: the unchanged inputs and the plans."""

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

SKIPPED_TYPES = frozenset({"rosgraph_msgs/msg/Clock"})
"""Not copied: the player of the bag publishes its own clock."""

REFERENCE_PREFIX = "/reference"
"""Prefix for the topics of plans in the source."""


class OutputBag:
    """A bag being written. Use as a context manager."""

    def __init__(self, path: Path, config: PlannerConfig, vehicle: VehicleModel, frames: FrameWriter) -> None:
        """Create the bag.

        Args:
            path: Path of the new bag.
            config: Parameters of the replay, for the status.
            vehicle: Its wheelbase determines the front-wheel angles.
            frames: Creates the transforms that are missing in the source.

        Raises:
            RecordingError: The path exists or cannot be created.
        """
        self._writer = BagWriter(path)
        self._config, self._vehicle, self._frames = config, vehicle, frames

    def copy(self, item: BagMessage, definition: tuple[str, str] | None) -> None:
        """Copy a recorded message unchanged; plans of the source go below the reference prefix.

        Args:
            item: The message.
            definition: Format and text of its type's definition.
        """
        if item.type_name in SKIPPED_TYPES:
            return
        recorded_plan = item.topic.startswith(encode_outputs.OUTPUT_NAMESPACE)
        topic = REFERENCE_PREFIX + item.topic if recorded_plan else item.topic
        self._writer.write_raw(topic, item.type_name, item.log_time_ns, item.raw, definition)
        if item.message is not None:
            for tf_topic, message in self._frames.messages(item.topic, item.message):
                self._writer.write(tf_topic, TF_TYPE, item.log_time_ns, message)

    def write(self, cycle: Cycle) -> None:
        """Write all messages that the node would have published in a cycle.

        Args:
            cycle: The cycle.
        """
        outcome = (cycle.stamp_ns, cycle.outcome, cycle.latency_ms)
        messages = encode_outputs.outputs(make_message, *outcome, config=self._config, vehicle=self._vehicle)
        for name, type_name, message in messages:
            self._writer.write(f"{encode_outputs.OUTPUT_NAMESPACE}/{name}", type_name, cycle.log_time_ns, message)

    def __enter__(self) -> OutputBag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
