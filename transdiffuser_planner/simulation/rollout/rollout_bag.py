"""Bag of a rollout: the messages that simulator and planner would publish over ROS."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType

from transdiffuser_planner.core.files import PARTIAL
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.types import NotReady, PlanResult
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.data.bags.bag_writer import BagWriter
from transdiffuser_planner.messages import encode_outputs
from transdiffuser_planner.messages.definitions import make_message
from transdiffuser_planner.simulation.message_stream import MessageStream
from transdiffuser_planner.simulation.rollout.rollout import RolloutStep


class RolloutBag:
    """Writer of a rollout's bag, under a temporary name until the bag is complete. Use as a context manager.

    Args:
        path: Of the new bag; an incomplete earlier one is replaced.
        stream: Makes the simulator's messages.
        config: Of the planner, for its status.
        vehicle: Its wheelbase determines the front-wheel angles.

    Raises:
        RecordingError: The path cannot be created.
    """

    def __init__(self, path: Path, stream: MessageStream, config: PlannerConfig, vehicle: VehicleModel) -> None:
        self._path, self._partial = path, path.with_name(path.name + PARTIAL)
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.parent.mkdir(parents=True, exist_ok=True)
        self._writer = BagWriter(self._partial)
        self._stream = stream
        self._config, self._vehicle = config, vehicle
        self._latched = False

    def write(self, rollout_step: RolloutStep) -> None:
        """Append one step: the state always, sensor data and planner output when present.

        Args:
            rollout_step: Step of the rollout.
        """
        step, stamp_ns = rollout_step.step, rollout_step.step.world.stamp_ns
        items = [] if self._latched else list(self._stream.latched(stamp_ns))
        self._latched = True
        items += self._stream.state(step.world)
        items += [] if rollout_step.frame is None else self._stream.sensors(rollout_step.frame)
        items += [self._stream.collision(stamp_ns, contact.agent_id) for contact in step.new_collisions]
        if isinstance(rollout_step.outcome, (PlanResult, NotReady)):
            outputs = encode_outputs.outputs(
                make_message,
                stamp_ns,
                rollout_step.outcome,
                rollout_step.elapsed_ms,
                config=self._config,
                vehicle=self._vehicle,
            )
            items += [(f"{encode_outputs.OUTPUT_NAMESPACE}/{name}", kind, message) for name, kind, message in outputs]
        for topic, kind, message in items:
            self._writer.write(topic, kind, stamp_ns, message)

    def __enter__(self) -> RolloutBag:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()
        if kind is None:
            shutil.rmtree(self._path, ignore_errors=True)
            self._partial.rename(self._path)
