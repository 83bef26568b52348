"""From a snapshot to the encoder's outputs: the part of a cycle that needs nothing of earlier plans and agents.

A pipeline encodes the next frame in another thread while the last one is planned from.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import auxiliary_specs, check_tensors, observation_specs
from transdiffuser_planner.core.errors import InputError, ModelError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import SensorSnapshot
from transdiffuser_planner.planning.observation.feature_builder import FeatureBuilder, signal_tensor
from transdiffuser_planner.planning.observation.lidar_bev import histogram
from transdiffuser_planner.runtime.cycle.stage_timer import StageTimes
from transdiffuser_planner.runtime.inference.backend import InferenceBackend
from transdiffuser_planner.runtime.inference.manifest import ModelManifest

if TYPE_CHECKING:
    from transdiffuser_planner.runtime.vision.signal_from_view import SignalFromView

Tensors = dict[str, NDArray[np.float32]]

_IMAGE_THREADS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class EncodedFrame:
    """A snapshot with what the model has made of it.

    Attributes:
        snapshot: Aligned inputs, without images that cannot be decoded.
        points_N3: Point cloud in base_link, meters.
        observation: Inputs of the model.
        features: Outputs of its encoder.
        times: Durations of the stages so far.
    """

    snapshot: SensorSnapshot
    points_N3: NDArray[np.float32]
    observation: Tensors
    features: Mapping[str, NDArray[np.float32]]
    times: StageTimes


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedFrame:
    """Result of the first half of a cycle.

    Attributes:
        encoded: The frame with the encoder's outputs.
        drawn: The noise of its candidates.
    """

    encoded: EncodedFrame
    drawn: Future[NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True, slots=True)
class UnpackedFrame:
    """A snapshot whose sensor data are unpacked.

    Attributes:
        snapshot: Without images that cannot be decoded.
        points_N3: Point cloud in base_link, meters.
        counts_CLL: Its bird's-eye histogram.
        times: Durations of the stages so far.
    """

    snapshot: SensorSnapshot
    points_N3: NDArray[np.float32]
    counts_CLL: NDArray[np.uint8]
    times: StageTimes


class FrameEncoder:
    """Encodes snapshots in order of their stamps; remembers only the place on the route. Not thread-safe.

    Args:
        backend: Executes the encoder.
        rig: The vehicle and its sensors.
    """

    def __init__(self, backend: InferenceBackend, rig: Rig) -> None:
        self._backend, self._contract = backend, backend.manifest.contract
        self._features = FeatureBuilder(self._contract, rig)
        self._signals = _signal_reader(backend.manifest, rig)
        self._refused: list[str] = []
        # Its threads start with the first images; decoding leaves the interpreter to others.
        self._helpers = ThreadPoolExecutor(max_workers=_IMAGE_THREADS, thread_name_prefix="images")

    def reset(self) -> None:
        """Discard the place on the route, as after a clock jump."""
        self._features.reset()

    def pop_refused(self) -> list[str]:
        """Return and clear why images could not be decoded since the last call."""
        refused, self._refused = self._refused, []
        return refused

    def unpack(self, snapshot: SensorSnapshot, min_cameras: int) -> UnpackedFrame:
        """Unpack the images, several at once, and the point cloud meanwhile.

        Args:
            snapshot: Aligned inputs.
            min_cameras: How many are needed.

        Returns:
            The snapshot without images that cannot be decoded, and what the LiDAR has measured.

        Raises:
            InputError: Too few images are left.
        """
        times = StageTimes()
        known = {name for name, image in snapshot.images.items() if image.failure}
        jobs = {name: self._helpers.submit(self._failure, snapshot, name) for name in snapshot.images}
        points = self._features.points(snapshot)
        counts = histogram(points, self._contract)
        failed = {name: reason for name, job in jobs.items() if (reason := job.result())}
        self._refused += [reason for name, reason in failed.items() if name not in known]
        num_left = len(snapshot.images) - len(failed)
        if failed and num_left < min_cameras:
            raise InputError(f"{num_left} cameras, need {min_cameras}; {next(iter(failed.values()))}")
        usable = _without_cameras(snapshot, set(failed)) if failed else snapshot
        return UnpackedFrame(snapshot=usable, points_N3=points, counts_CLL=counts, times=times)

    def _failure(self, snapshot: SensorSnapshot, name: str) -> str:
        """Why the image of a camera cannot be unpacked, or ""."""
        try:
            self._features.unpack_image(snapshot, name)
        except InputError as error:
            return str(error)
        return ""

    def encode(self, frame: UnpackedFrame) -> EncodedFrame:
        """Compute the model's inputs and its encoder's outputs.

        Args:
            frame: Result of ``unpack``.

        Raises:
            ModelError: The encoder failed or returned numbers that are not finite.
        """
        observation = self._features.build(frame.snapshot, frame.points_N3, frame.counts_CLL)
        check_tensors(observation, observation_specs(self._contract), "observation")
        if self._signals is not None and frame.snapshot.signal is None:
            seen = self._signals.read(frame.snapshot, observation)
            observation["signal"], observation["signal_valid"] = (part[None] for part in signal_tensor(seen))
        frame.times.lap("features")
        encoded = self._backend.encode(observation)
        # Features stay where the backend has them; what is wrong in them shows in the samples.
        if not all(np.isfinite(encoded[name].sum()) for name in auxiliary_specs(self._contract)):
            raise ModelError(f"model {self._backend.manifest.name}: the encoder returned NaN or infinite values")
        frame.times.lap("encode")
        return EncodedFrame(
            snapshot=frame.snapshot,
            points_N3=frame.points_N3,
            observation=observation,
            features=encoded,
            times=frame.times,
        )


def _signal_reader(manifest: ModelManifest, rig: Rig) -> SignalFromView | None:
    """Reader of traffic lights in images; None for a model without its graphs, which then costs no import."""
    if not {"view", "lamps"} <= set(manifest.graphs):
        return None
    from transdiffuser_planner.runtime.vision.signal_from_view import SignalFromView

    return SignalFromView(manifest, rig)


def _without_cameras(snapshot: SensorSnapshot, names: set[str]) -> SensorSnapshot:
    """A snapshot in which these cameras are missing."""
    return replace(
        snapshot,
        images={name: image for name, image in snapshot.images.items() if name not in names},
        intrinsics={name: value for name, value in snapshot.intrinsics.items() if name not in names},
        ages_ns={name: age_ns for name, age_ns in snapshot.ages_ns.items() if name not in names},
        missing=(*(name for name in snapshot.images if name in names), *snapshot.missing),
    )
