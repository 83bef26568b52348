"""The seam for other worlds around the planner node: more inputs and outputs in the same process, on the same plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from transdiffuser_planner.core.types import PlanResult
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.messages.encode_outputs import Mode
from transdiffuser_planner.messages.input_registry import InputQos, SnapshotSink
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler


@dataclass(frozen=True, kw_only=True, slots=True)
class FrontEndInput:
    """One input that the planner itself does not have.

    Attributes:
        topic: Private or absolute.
        type_name: "package/msg/Name".
        qos: Profile of the subscription.
        take: Receives a serialized message, in the thread of all inputs; returns the reason for rejecting it, or None.
    """

    topic: str
    type_name: str
    qos: InputQos
    take: Callable[[bytes], str | None]


class FrontEnd(Protocol):
    """Inputs and outputs of another world."""

    @property
    def must_stop(self) -> bool:
        """Whether an input requests a stop."""

    def configure(self, vehicle: VehicleModel, assembler: SnapshotAssembler) -> SnapshotSink:
        """Begin with a configured node; returns the sink of its decoded messages."""

    def inputs(self) -> Sequence[FrontEndInput]:
        """Return the inputs to subscribe to; called after ``configure``."""

    def publish(self, result: PlanResult, mode: Mode) -> None:
        """Publish what control needs, before anything else of the cycle but the trajectory; one call at a time."""

    def publish_extras(self, result: PlanResult, mode: Mode) -> None:
        """Publish everything else; called by a thread that skips plans under load."""


class NoFrontEnd:
    """The planner alone."""

    must_stop = False

    def configure(self, vehicle: VehicleModel, assembler: SnapshotAssembler) -> SnapshotSink:
        """Return the assembler itself."""
        return assembler

    def inputs(self) -> Sequence[FrontEndInput]:
        """Return none."""
        return ()

    def publish(self, result: PlanResult, mode: Mode) -> None:
        """Publish nothing."""

    def publish_extras(self, result: PlanResult, mode: Mode) -> None:
        """Publish nothing."""
