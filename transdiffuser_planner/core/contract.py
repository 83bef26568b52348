"""The model contract: every tensor's name, axes, size and meaning, stated once.

Training, export, runtime, manifest and tests read shapes from this file only. Letters:
B batch, H and W image rows and columns, C LiDAR channels, L bird's-eye cells, K bird's-eye classes, S history steps,
T plan steps, R route points, A agents, M candidates.

All spatial values are in base_link at the snapshot's stamp (x forward, y left). Bird's-eye grids are indexed [row, column] with
row 0 at x = +range (ahead) and column 0 at y = +range (left): an unchanged plot shows the driving direction upward.
"""

from __future__ import annotations

import itertools
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.driving_style import STYLE_INPUTS, WANTED_SCORES
from transdiffuser_planner.core.errors import ContractError

CONTRACT_VERSION = 1
CANDIDATE_AXIS = "candidates"
"""Name of the denoise graph's free axis of M samples."""
TOKEN_AXIS = "road_users"
"""Name of the free axis of N = 1 + A tokens, the ego first, of the denoise graph."""
AGENT_AXIS = "other_road_users"
"""Name of the free axis of A agents of the condition graph."""
SAMPLERS = ("dpm-solver++", "ddim", "ddpm")
"""How a denoise step is taken, see ``planning.diffusion.sampler``."""
STORED_PRECISIONS = ("fp32", "int8")
"""Arithmetic of the graphs in a model folder."""
PRECISIONS = (*STORED_PRECISIONS, "fp16")
"""Arithmetic of a loaded model; fp16 is made from fp32, for GPUs."""


class BevClass(IntEnum):
    """Channels of the bird's-eye semantics; a cell has exactly one class, the last that applies."""

    BACKGROUND = 0
    ROAD = 1
    WALKWAY = 2
    CENTER_LINE = 3
    VEHICLE = 4
    PERSON = 5


class StatusIndex(IntEnum):
    """Entries of the status vector; 0..3 are the one-hot driving command."""

    COMMAND = 0
    VX_MPS = 4
    VY_MPS = 5
    AX_MPS2 = 6
    AY_MPS2 = 7


class SignalIndex(IntEnum):
    """Entries of the signal vector."""

    RED = 0
    AMBER = 1
    GREEN = 2
    DISTANCE = 3  # distance to the stop line / 50 m, clipped to 0..1.2


class AgentIndex(IntEnum):
    """Entries of an agent's feature vector; the class is one-hot from CLASS on."""

    X_M = 0
    Y_M = 1
    COS = 2
    SIN = 3
    SPEED_MPS = 4  # 0 where unknown
    SPEED_KNOWN = 5
    LENGTH_M = 6
    WIDTH_M = 7
    CLASS = 8


NUM_AGENT_FEATURES = int(AgentIndex.CLASS) + len(AgentClass)


class BoxIndex(IntEnum):
    """Channels of the detection head's box regression at a heat-map cell."""

    OFFSET_X = 0  # box center minus cell center, in cells, along +x
    OFFSET_Y = 1  # the same along +y
    COS = 2
    SIN = 3
    LOG_LENGTH = 4
    LOG_WIDTH = 5


NUM_BOX_CHANNELS = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class ViewSegment:
    """One virtual pinhole camera of the stitched view; real cameras are resampled into it.

    Attributes:
        name: The rig camera that usually fills it.
        width_fraction: Share of the stitched width.
        yaw_rad: Direction of the optical axis in base_link.
    """

    name: str
    width_fraction: float
    yaw_rad: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelContract:
    """Sizes of all tensors of one model. `tiny` and `base` differ in numbers only."""

    image_height: int = 128
    image_width: int = 512
    focal_px: float = 198.0
    horizon_row: float = 80.0
    camera_height_m: float = 1.6
    segments: tuple[ViewSegment, ...] = (
        ViewSegment(name="rgb_left", width_fraction=136 / 512, yaw_rad=0.87616),
        ViewSegment(name="rgb_front", width_fraction=240 / 512, yaw_rad=0.0),
        ViewSegment(name="rgb_right", width_fraction=136 / 512, yaw_rad=-0.87616),
    )
    lidar_cells: int = 128
    lidar_heights_m: tuple[float, ...] = (0.3,)  # heights that divide the points into channels, lowest first
    range_m: float = 32.0
    lidar_clip_points: int = 5
    bev_cells: int = 64
    num_history: int = 4
    history_interval_s: float = 0.5
    num_plan_steps: int = 8
    plan_interval_s: float = 0.5
    num_route_points: int = 20
    route_spacing_m: float = 3.0
    num_agents: int = 8
    num_candidates: int = 30
    num_denoise_steps: int = 10
    codebook_size: int = 0  # size of the action token vocabulary; 0: no action tokens
    score_condition: bool = False  # whether plans can be asked for sub-scores

    def __post_init__(self) -> None:
        heights = self.lidar_heights_m
        if not heights or any(high <= low for low, high in itertools.pairwise(heights)):
            raise ContractError(f"model contract: lidar_heights_m must be increasing heights, got {list(heights)}")

    @property
    def plan_times_s(self) -> NDArray[np.float64]:
        """Times of the T plan steps after the snapshot."""
        return np.asarray(self.plan_interval_s * np.arange(1, self.num_plan_steps + 1), dtype=np.float64)

    @property
    def history_times_s(self) -> NDArray[np.float64]:
        """Times of the S history steps relative to the snapshot; the last is 0."""
        return np.asarray(self.history_interval_s * np.arange(1 - self.num_history, 1), dtype=np.float64)

    @property
    def lidar_channels(self) -> int:
        """Channels of the LiDAR histogram: the ground first, obstacles by height after it."""
        return len(self.lidar_heights_m) + 1

    @property
    def bev_cell_m(self) -> float:
        """Edge length of a cell of the bird's-eye heads."""
        return 2.0 * self.range_m / self.bev_cells

    @property
    def lidar_cell_m(self) -> float:
        """Edge length of a cell of the LiDAR histogram."""
        return 2.0 * self.range_m / self.lidar_cells

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serializable form for the manifest; models without score condition stay readable to earlier versions."""
        return {name: value for name, value in asdict(self).items() if name != "score_condition" or value}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> ModelContract:
        """Invert ``to_dict``.

        Args:
            data: Result of ``to_dict``.

        Raises:
            ContractError: A field is unknown, missing or out of bounds.
        """
        try:
            # Manifests of models with two channels state their number only.
            known = {name: value for name, value in data.items() if name != "lidar_channels"}
            heights = tuple(float(height) for height in known.get("lidar_heights_m", (0.3,)))
            segments = tuple(ViewSegment(**segment) for segment in data["segments"])
            return ModelContract(**{**known, "segments": segments, "lidar_heights_m": heights})
        except (KeyError, TypeError, ValueError) as error:
            raise ContractError(f"model contract: {error}; re-export the model with this version") from None


TINY = ModelContract(codebook_size=256)
BASE = ModelContract(
    image_height=256, image_width=1024, focal_px=396.0, horizon_row=160.0, lidar_cells=256, codebook_size=512
)
BASE_HALF = ModelContract(codebook_size=512)
CONTRACTS = {"tiny": TINY, "base": BASE, "base_half": BASE_HALF}
"""By the name of the network's size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorSpec:
    """Shape without the batch axis and dtype of one tensor."""

    shape: tuple[int, ...]
    dtype: type[np.generic] = np.float32


def observation_specs(contract: ModelContract) -> dict[str, TensorSpec]:
    """The encoder's and conditioner's inputs, in order. Masks are 1.0 where valid, else 0.0; invalid values are 0."""
    c = contract
    tokens = {
        # dx m, dy m, dheading rad of each plan step, in the frame of the pose before it
        "action_tokens": TensorSpec(shape=(c.num_plan_steps, 3)),
        "action_tokens_valid": TensorSpec(shape=(c.num_plan_steps,)),
    }
    return {
        "image": TensorSpec(shape=(3, c.image_height, c.image_width)),  # RGB 0..1
        "camera_valid": TensorSpec(shape=(len(c.segments),)),  # share of the segment's columns that a camera covers
        "lidar": TensorSpec(shape=(c.lidar_channels, c.lidar_cells, c.lidar_cells)),  # counts clipped, 0..1
        "lidar_valid": TensorSpec(shape=(1,)),
        "history": TensorSpec(shape=(c.num_history, 3)),  # x m, y m, heading rad; last row is 0, 0, 0
        "history_valid": TensorSpec(shape=(c.num_history,)),
        "status": TensorSpec(shape=(8,)),  # StatusIndex
        "acceleration_valid": TensorSpec(shape=(1,)),
        "route": TensorSpec(shape=(c.num_route_points, 2)),  # x m, y m, starting at the ego's projection, spacing apart
        "route_valid": TensorSpec(shape=(c.num_route_points,)),
        "signal": TensorSpec(shape=(4,)),  # SignalIndex
        "signal_valid": TensorSpec(shape=(1,)),
        "speed_limit": TensorSpec(shape=(1,)),  # m/s
        "speed_limit_valid": TensorSpec(shape=(1,)),
        **(tokens if c.codebook_size else {}),
        **({name: TensorSpec(shape=(len(WANTED_SCORES),)) for name in STYLE_INPUTS} if c.score_condition else {}),
    }


ENCODER_INPUTS = ("image", "camera_valid", "lidar", "lidar_valid")
CONDITION_INPUTS = (
    "history",
    "history_valid",
    "status",
    "acceleration_valid",
    "route",
    "route_valid",
    "signal",
    "signal_valid",
    "speed_limit",
    "speed_limit_valid",
)
SCORER_INPUTS = (
    "bev_tokens",
    "bev_logits",
    "agents",
    "agents_valid",
    "status",
    "route",
    "route_valid",
    "signal",
    "signal_valid",
    "speed_limit",
    "speed_limit_valid",
)
"""Inputs of the scorer in addition to the plans and the agents' futures with each, in order."""
SCORE_NAMES = ("no_at_fault_collision", "drivable_area", "time_to_collision", "ego_progress", "comfort")
"""Outputs of the scorer: NC, DAC, TTC, EP and C of PDMS v1.1, each 0 to 1."""
TOKEN_INPUTS = ("action_tokens", "action_tokens_valid")


def condition_inputs(contract: ModelContract) -> tuple[str, ...]:
    """The conditioner's inputs besides features and agents, in order."""
    return tuple(name for name in observation_specs(contract) if name not in ENCODER_INPUTS)


def agent_specs(contract: ModelContract) -> dict[str, TensorSpec]:
    """Detected and tracked agents given to the conditioner: nearest first, padded with zeros."""
    return {
        "agents": TensorSpec(shape=(contract.num_agents, NUM_AGENT_FEATURES)),  # AgentIndex
        "agents_valid": TensorSpec(shape=(contract.num_agents,)),
    }


def auxiliary_specs(contract: ModelContract) -> dict[str, TensorSpec]:
    """The encoder's auxiliary outputs."""
    n = contract.bev_cells
    return {
        "bev_logits": TensorSpec(shape=(len(BevClass), n, n)),
        "agent_heatmap": TensorSpec(shape=(len(AgentClass), n, n)),  # logits of a box center in the cell
        "agent_box": TensorSpec(shape=(NUM_BOX_CHANNELS, n, n)),  # BoxIndex
        "signal_logits": TensorSpec(shape=(4,)),  # SignalState of the next signal within 50 m; UNKNOWN = none
    }


def plan_spec(contract: ModelContract) -> TensorSpec:
    """One joint sample in model space: token 0 the ego, tokens 1..A the agents; last axis is T x (dx, dy, dheading).

    Differences between consecutive poses, normalized per token kind, step and dimension. Ego: in base_link at the
    snapshot. Agents: in the frame of the agent's own box at the snapshot (x along its heading).
    """
    return TensorSpec(shape=(1 + contract.num_agents, contract.num_plan_steps * 3))


def check_tensors(tensors: dict[str, NDArray[Any]], specs: dict[str, TensorSpec], where: str) -> None:
    """Check names, dtypes, shapes (after one batch axis) and finiteness.

    Args:
        tensors: Tensors by name; further names are ignored.
        specs: Expected shapes and dtypes by name.
        where: Origin of the tensors for messages.

    Raises:
        ContractError: Naming the tensor, what was expected and what was found.
    """
    for name, spec in specs.items():
        if name not in tensors:
            raise ContractError(f"{where}: tensor '{name}' is missing; got {sorted(tensors)}")
        tensor = tensors[name]
        if tensor.dtype != spec.dtype or tensor.shape[1:] != spec.shape:
            expected = f"(B, {', '.join(map(str, spec.shape))}) {np.dtype(spec.dtype).name}"
            raise ContractError(f"{where}: tensor '{name}' expected {expected}, got {tensor.shape} {tensor.dtype}")
        if not np.isfinite(tensor).all():
            raise ContractError(f"{where}: tensor '{name}' holds NaN or infinite values")
