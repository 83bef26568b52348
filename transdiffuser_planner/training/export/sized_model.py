"""Models of the shipped architecture and other numbers of agents or cameras, with random weights: for growth measurements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from transdiffuser_planner.core.contract import ModelContract, ViewSegment
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.networks.network_config import NetworkConfig
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.runtime.inference.manifest import ModelManifest
from transdiffuser_planner.training.export.model_folder import export_model, random_observation
from transdiffuser_planner.training.export.random_model import random_codebook, random_network


def export_sized(shipped: ModelManifest, out: Path, *, num_agents: int | None = None, rig: Rig | None = None) -> Path:
    """Write a model folder.

    Args:
        shipped: Model whose architecture, normalizer and schedule are used.
        out: Folder, replaced if it exists.
        num_agents: Agents of the contract; None: as shipped.
        rig: Cameras that fill the view, side by side, each with its own width; None: as shipped.

    Returns:
        The folder.

    Raises:
        TrainingError: ONNX Runtime and PyTorch differ.
        ConfigError: The widths do not fit the network's strides.
    """
    contract, config = shipped.contract, NetworkConfig.from_dict(shipped.training["network"])
    if num_agents is not None:
        contract = replace(contract, num_agents=num_agents)
    if rig is not None:
        contract, config = _for_cameras(contract, config, rig)
    export_model(
        random_network(config, contract),
        PlanNormalizer.from_json(shipped.read_json("normalizer.json")),
        shipped.sampler().schedule,
        out,
        vehicle=EGO_VEHICLE,
        codebook=random_codebook(contract),
        samples=[random_observation(contract, 0)],
        training={"note": "Random weights: only its speed is meaningful."},
    )
    return out


def _for_cameras(contract: ModelContract, config: NetworkConfig, rig: Rig) -> tuple[ModelContract, NetworkConfig]:
    """Contract and network whose view is as wide as all cameras together; tokens grow with it."""
    width = sum(camera.width for camera in rig.cameras)
    rows, columns = config.image.tokens
    segments = tuple(
        ViewSegment(name=camera.name, width_fraction=camera.width / width, yaw_rad=camera.yaw_rad)
        for camera in rig.cameras
    )
    tokens = rows, width * columns // contract.image_width
    return (
        replace(contract, image_width=width, segments=segments),
        replace(config, image=replace(config.image, tokens=tokens)),
    )
