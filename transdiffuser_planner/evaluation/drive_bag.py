"""The bag of a closed-loop drive: what the simulator and the planner said, as it would have crossed ROS."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.types import NotReady, PlanResult
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.recording import encode_plan
from transdiffuser_planner.recording.bag_writer import BagWriter
from transdiffuser_planner.recording.definitions import make_message
from transdiffuser_planner.simulation.episode import EpisodeStep
from transdiffuser_planner.simulation.message_stream import MessageStream
from transdiffuser_planner.simulation.sensor_suite import SensorFrame


class DriveBag:
    """A bag being written. Use as a context manager."""

    def __init__(self, path: Path, stream: MessageStream, config: PlannerConfig, vehicle: VehicleModel) -> None:
        """Create the bag.

        Args:
            path: Of the new bag.
            stream: Makes the simulator's messages.
            config: Of the planner, for its status.
            vehicle: Its wheelbase decides the front-wheel angles.

        Raises:
            RecordingError: The path exists or cannot be created.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = BagWriter(path)
        self._stream = stream
        self._config, self._vehicle = config, vehicle
        self._latched = False

    def write(self, step: EpisodeStep, frame: SensorFrame, result: PlanResult | NotReady, latency_ms: float) -> None:
        """Append one cycle."""
        stamp_ns = step.world.stamp_ns
        items = [] if self._latched else list(self._stream.latched(stamp_ns))
        self._latched = True
        items += self._stream.state(step.world)
        items += self._stream.sensors(frame)
        items += [self._stream.collision(stamp_ns, contact.agent_id) for contact in step.new_collisions]
        how = {"config": self._config, "vehicle": self._vehicle}
        outputs = encode_plan.outputs(make_message, stamp_ns, result, latency_ms, **how)
        items += [(f"{encode_plan.OUTPUT_NAMESPACE}/{name}", kind, message) for name, kind, message in outputs]
        for topic, kind, message in items:
            self._writer.write(topic, kind, stamp_ns, message)

    def __enter__(self) -> DriveBag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
