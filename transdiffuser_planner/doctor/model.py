"""Checks the model: files, vehicle, execution providers, and time of a plan."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from transdiffuser_planner.core.contract import TINY, ModelContract
from transdiffuser_planner.core.errors import PlannerError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import CameraImage, CameraIntrinsics, EgoState, PointCloud, SensorSnapshot
from transdiffuser_planner.doctor.findings import Finding, Findings
from transdiffuser_planner.runtime.inference.manifest import ModelManifest, load_manifest
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inference.onnx_session import make_session
from transdiffuser_planner.runtime.inference.providers import PROVIDERS
from transdiffuser_planner.runtime.inference.vehicle_fit import beyond_scorer
from transdiffuser_planner.runtime.planner import Planner

_FINDINGS = Findings("model")
_WARM_CYCLES = 7
_EXPORT = "copy the model folder again, or export it again with 'transdiffuser export'"


def check(model: str | Path, rig: Rig, config: PlannerConfig) -> Iterator[Finding]:
    """Check every file, load every graph, plan from a synthetic frame.

    Args:
        model: Folder, or name of a shipped model.
        rig: The vehicle and its sensors.
        config: Provider, threads and deadline.

    Yields:
        Findings.
    """
    try:
        manifest = load_manifest(model_folder(model))
    except PlannerError as error:
        yield _FINDINGS.error("files", str(error), _EXPORT)
        return
    yield _FINDINGS.ok("files", f"'{manifest.name}' {manifest.model_hash[:12]}, every SHA-256 as in its manifest")
    yield vehicle_of(manifest, rig)
    yield from _providers(manifest, config)
    yield from _speed(manifest, rig, config)


def check_vehicle(model: str | Path, rig: Rig) -> Iterator[Finding]:
    """Compare the vehicle with a model that may be missing on this machine.

    Args:
        model: Folder, or name of a shipped model.
        rig: The vehicle.

    Yields:
        One finding.
    """
    try:
        yield vehicle_of(load_manifest(model_folder(model)), rig)
    except PlannerError:
        yield _FINDINGS.ok("vehicle", str(rig.vehicle))


def contract_of(model: str | Path) -> ModelContract:
    """Read the contract of a model; that of the shipped model when the folder is missing or not usable.

    Args:
        model: Folder, or name of a shipped model.
    """
    try:
        return load_manifest(model_folder(model)).contract
    except PlannerError:
        return TINY


def vehicle_of(manifest: ModelManifest, rig: Rig) -> Finding:
    """Compare the vehicle with the vehicles that the model's scorer was trained for.

    Args:
        manifest: Manifest of the model.
        rig: The vehicle.
    """
    notice = beyond_scorer(manifest.vehicle, rig.vehicle) if "scorer" in manifest.graphs else ""
    if not notice:
        return _FINDINGS.ok("vehicle", str(rig.vehicle))
    return _FINDINGS.warn(
        "vehicle", f"{rig.vehicle}; {notice}", "keep selection 'rules', or train a scorer on this vehicle's drives"
    )


def _providers(manifest: ModelManifest, config: PlannerConfig) -> Iterator[Finding]:
    """Yield the finding about providers on which a graph loads; one that is listed as available may still fail."""
    usable, reason = [], ""
    for name in PROVIDERS:
        try:
            make_session(manifest.graphs["condition"], name, 1)
            usable.append(name)
        except PlannerError as error:
            reason = str(error) if name == config.provider else reason
    text = f"wanted {config.provider}, usable {', '.join(usable) or 'none'}"
    if config.provider in usable:
        yield _FINDINGS.ok("provider", text)
    else:
        remedy = f"set provider to {usable[0]}" if usable else _EXPORT
        extra = "; on a machine with an NVIDIA GPU: docs/how-to/gpu.md" if config.provider != "cpu" else ""
        yield _FINDINGS.error("provider", f"{text} ({reason})", remedy + extra)


def _speed(manifest: ModelManifest, rig: Rig, config: PlannerConfig) -> Iterator[Finding]:
    begin = time.perf_counter()
    try:
        planner = Planner.load(manifest.folder, rig, config)
        load_s = time.perf_counter() - begin
        yield _FINDINGS.ok("graphs", f"loaded in {load_s:.2f} s on {config.provider}")
        took_ms = warm_plans_ms(planner, rig)
    except PlannerError as error:
        yield _FINDINGS.error("graphs", str(error), _EXPORT)
        return
    median_ms, slowest_ms = float(np.median(took_ms)), max(took_ms)
    text = f"{median_ms:.0f} ms warm (slowest {slowest_ms:.0f}) of the deadline's {config.deadline_ms:.0f}"
    if median_ms > config.deadline_ms and not config.anytime:
        remedy = "set anytime, or fewer num_candidates or num_denoise_steps, more num_threads, or a faster machine"
        yield _FINDINGS.error("plan", text, remedy)
    elif median_ms > config.deadline_ms - config.fallback_margin_ms:
        text = f"{text}: plans will use fewer denoise steps"
        yield _FINDINGS.warn("plan", text, "end other programs, more num_threads, precision int8, or a faster machine")
    elif slowest_ms > 0.8 * config.deadline_ms:
        yield _FINDINGS.warn(
            "plan", text, "end other programs, or reduce num_candidates or num_denoise_steps to gain reserve"
        )
    else:
        yield _FINDINGS.ok("plan", text)


def warm_plans_ms(planner: Planner, rig: Rig) -> list[float]:
    """Measure plans after a warm-up, each from a synthetic frame.

    Args:
        planner: Loaded for the rig.
        rig: Sensors.

    Returns:
        Times in milliseconds.

    Raises:
        ModelError: The model fails.
    """
    snapshot, took = synthetic_frame(rig), []
    for index in range(1 + _WARM_CYCLES):
        stamp_ns = snapshot.stamp_ns + index * 100_000_000
        begin = time.perf_counter()
        planner.plan(replace(snapshot, stamp_ns=stamp_ns, ego=replace(snapshot.ego, stamp_ns=stamp_ns), history=()))
        took.append((time.perf_counter() - begin) * 1e3)
    return took[1:]


def synthetic_frame(rig: Rig) -> SensorSnapshot:
    """Create a frame with gray images and flat ground, driving straight.

    Args:
        rig: Sensors.
    """
    stamp_ns = 10**9
    images, intrinsics = {}, {}
    for camera in rig.cameras:
        rgb = np.full((camera.height, camera.width, 3), 110, dtype=np.uint8)
        images[camera.name] = CameraImage(stamp_ns=stamp_ns, name=camera.name, rgb_HW3=rgb)
        sizes = {name: getattr(camera, name) for name in ("width", "height", "fx", "fy", "cx", "cy")}
        intrinsics[camera.name] = CameraIntrinsics(**sizes)
    x, y = np.meshgrid(np.linspace(4.0, 30.0, 60), np.linspace(-12.0, 12.0, 40))
    height_m = 0.0 if rig.lidar is None else rig.lidar.z_m
    ground = np.stack([x.ravel(), y.ravel(), np.full(x.size, -height_m)], axis=-1).astype(np.float32)
    return SensorSnapshot(
        stamp_ns=stamp_ns,
        ego=EgoState(stamp_ns=stamp_ns, frame_id="map", x_m=0.0, y_m=0.0, heading_rad=0.0, vx_mps=5.0),
        history=(),
        images=images,
        intrinsics=intrinsics,
        cloud=None if rig.lidar is None else PointCloud(stamp_ns=stamp_ns, xyz_N3=ground),
    )
