"""The planner's configuration: every tunable of the node, typed, bounded and documented once.

ROS parameters, parameter files and the README's table are generated from or tested against these fields.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any

from transdiffuser_planner.core.contract import PRECISIONS, SAMPLERS
from transdiffuser_planner.core.driving_style import NO_STYLE, style_problem
from transdiffuser_planner.core.errors import ConfigError

_OPEN = float("inf")
_LARGEST_WHOLE = 2**63

DEFAULT_MODEL = "tiny"

RENAMED_PARAMETERS = {
    "token_pull": "token_guidance_weight",
    "noise_scale": "temperature",
    "weight_typical": "weight_outlier",
    "continuation_margin": "switching_hysteresis",
}
"""Parameter name of earlier versions -> name of the same parameter now."""


def _number(default: float, unit: str, minimum: float, maximum: float, text: str) -> Any:
    """A numeric field with its bounds (inclusive) and meaning."""
    return field(default=default, metadata={"unit": unit, "minimum": minimum, "maximum": maximum, "text": text})


def _choice(default: str, options: tuple[str, ...], text: str) -> Any:
    """A text field; an empty tuple of options allows any text."""
    return field(default=default, metadata={"unit": "", "options": options, "text": text})


def _switch(default: bool, text: str) -> Any:
    """A field that is true or false."""
    return field(default=default, metadata={"unit": "", "text": text})


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannerConfig:
    """Everything that changes how plans are made; see each field's metadata for unit, bounds and meaning.

    Raises:
        ConfigError: A value has the wrong type or lies outside its bounds, or two fields contradict each other.
    """

    planning_rate_hz: float = _number(10.0, "Hz", 1.0, 50.0, "Planning cycles per second of data time.")
    deadline_ms: float = _number(100.0, "ms", 5.0, 1000.0, "Time from a frame's last message to the published plan.")
    run_seed: int = _number(0, "", 0, 2**31 - 1, "Seed of the sampling noise, combined with each frame's stamp.")
    num_candidates: int = _number(30, "", 1, 128, "Joint futures sampled per cycle.")
    sampler: str = _choice(
        "dpm-solver++",
        SAMPLERS,
        "How a denoise step is taken: dpm-solver++ (second order), ddim, or ddpm (as in training, with noise).",
    )
    num_denoise_steps: int = _number(3, "", 1, 100, "Denoise steps, at most the model's T: ddpm with T is exact.")
    driving_style: float = _number(
        NO_STYLE,
        "",
        NO_STYLE,
        1.0,
        "0 (calm) to 1 (brisk), of a model trained with a score condition; -1: not asked for.",
    )
    temperature: float = _number(1.0, "", 0.0, 2.0, "Standard deviation of the start noise; 1 is the training value.")
    backend: str = _choice("onnxruntime", (), "Executes the model: onnxruntime, or the name of an installed plug-in.")
    provider: str = _choice("cpu", ("cpu", "cuda", "tensorrt"), "ONNX Runtime execution provider.")
    device_id: int = _number(0, "", 0, 63, "Number of the GPU, for the providers cuda and tensorrt.")
    cuda_graphs: str = _choice(
        "auto",
        ("auto", "on", "off"),
        "Replay a graph's work on the GPU as one; on: refuse a model of which a graph permits none, auto: run that one "
        "without.",
    )
    gpu_memory_mb: int = _number(
        0, "MB", 0, 1_000_000, "Limit of each graph's memory on the GPU, and of TensorRT's workspace; 0: no limit."
    )
    strict_provider: bool = _switch(True, "Refuse a model that does not run on the provider instead of using the CPU.")
    num_threads: int = _number(2, "", 1, 64, "Threads of the model; the candidates are shared out among them.")
    precision: str = _choice(
        "fp32", PRECISIONS, "Arithmetic of the model: int8 on a CPU, of a model with int8 graphs; fp16 on a GPU."
    )
    priority: str = _choice(
        "high",
        ("normal", "high", "realtime"),
        "Of the node's threads among other processes, where the system permits it.",
    )
    anytime: bool = _switch(True, "Whether the node samples fewer denoise steps when time runs short.")
    frame_wait_ms: float = _number(50.0, "ms", 0.0, 500.0, "How much longer than usual a frame waits for a sensor.")
    fallback_margin_ms: float = _number(
        20.0, "ms", 1.0, 500.0, "Before the deadline: when a fallback replaces the model."
    )
    model_timeout_s: float = _number(1.0, "s", 0.2, 60.0, "A model that does not answer for so long is replaced.")

    sync_tolerance_s: float = _number(0.05, "s", 0.0, 1.0, "Stamps this close to a frame's belong to it.")
    max_sensor_age_s: float = _number(
        0.5, "s", 0.05, 10.0, "Older camera images and LiDAR sweeps are not planned from."
    )
    max_odometry_age_s: float = _number(0.2, "s", 0.02, 5.0, "Odometry must reach this close to the frame's stamp.")
    max_optional_age_s: float = _number(1.0, "s", 0.1, 60.0, "Older command, signal and limit messages are masked.")
    max_tokens_age_s: float = _number(2.0, "s", 0.1, 2.5, "Older action tokens are refused, and masked once that old.")
    min_cameras: int = _number(1, "", 0, 16, "Cameras that must be present for a plan.")
    require_lidar: bool = _switch(True, "Whether a plan needs a LiDAR cloud (the safety check uses it).")

    max_accel_mps2: float = _number(4.0, "m/s2", 0.5, 15.0, "Kinematic limit of accepted plans: acceleration.")
    max_decel_mps2: float = _number(8.0, "m/s2", 0.5, 15.0, "Kinematic limit of accepted plans: braking.")
    max_lateral_accel_mps2: float = _number(5.0, "m/s2", 0.5, 15.0, "Kinematic limit: speed squared times curvature.")
    max_curvature_per_m: float = _number(0.25, "1/m", 0.02, 1.0, "Kinematic limit: path curvature.")
    collision_margin_m: float = _number(0.15, "m", 0.0, 2.0, "Clearance kept around the footprint.")
    collision_horizon_s: float = _number(2.5, "s", 0.5, 4.0, "Predicted collisions up to this time reject a plan.")

    selection: str = _choice(
        "rules",
        ("rules", "scorer", "gated"),
        "What ranks the candidates: rules, the model's learned scorer, or rules unless the scorer objects.",
    )
    gate_alarm: float = _number(
        0.5, "", 0.0, 1.0, "Selection gated: leave a plan whose predicted NC x DAC is below this; 0: never."
    )
    gate_gain: float = _number(
        0.15, "", 0.0, 1.0, "Selection gated: leave a plan for this much more predicted PDM score; 1: never."
    )
    move_off_when_free: bool = _switch(
        True, "With a scorer: whether a stationary vehicle moves off where rules see the way free, whatever the score."
    )
    weight_continuity: float = _number(
        0.0, "1/m", 0.0, 1e3, "With a scorer: distance from the previous plan at the same times, while moving."
    )
    weight_outlier: float = _number(
        0.5, "1/m", 0.0, 1e3, "Selection by scorer: distance from the mean of all candidates."
    )
    weight_score: float = _number(10.0, "", 0.0, 1e3, "Selection by scorer: predicted loss of PDM score.")
    weight_collision: float = _number(20.0, "", 0.0, 1e3, "Selection: predicted collision with points or agents.")
    weight_off_road: float = _number(6.0, "", 0.0, 1e3, "Selection: footprint outside the predicted road.")
    weight_route: float = _number(1.0, "1/m", 0.0, 1e3, "Selection: lateral distance from the route.")
    token_guidance_weight: float = _number(
        0.5,
        "",
        0.0,
        1.0,
        "How far each of T denoise steps draws candidates to where action tokens lead; 0: not beyond the condition.",
    )
    start_guidance: bool = _switch(False, "Guide candidates to move off; service ~/service/set_start_guidance_enabled.")
    stop_guidance: bool = _switch(False, "Guide candidates to stop; service ~/service/set_stop_guidance_enabled.")
    centerline_guidance: bool = _switch(
        False, "Guide candidates onto the route; service ~/service/set_centerline_guidance_enabled."
    )
    maneuver_guidance_weight: float = _number(
        0.5,
        "",
        0.0,
        1.0,
        "How far each of T denoise steps draws candidates to what start, stop and route guidance ask.",
    )
    start_guidance_distance_m: float = _number(
        10.0, "m", 0.5, 100.0, "Start guidance: candidates that end nearer go that far."
    )
    stop_guidance_decel_mps2: float = _number(1.0, "m/s2", 0.1, 6.0, "Stop guidance: deceleration.")
    centerline_guidance_start_s: float = _number(
        2.0, "s", 0.0, 4.0, "Center-line guidance: from this time of the plan on."
    )
    weight_tokens: float = _number(1.0, "1/m", 0.0, 1e3, "Selection: distance from where the action tokens lead.")
    weight_signal: float = _number(10.0, "", 0.0, 1e3, "Selection: passing a stop line whose signal is known red.")
    weight_consensus: float = _number(0.6, "1/m", 0.0, 1e3, "Selection: distance from the nearest other candidates.")
    weight_comfort: float = _number(0.3, "", 0.0, 1e3, "Selection: acceleration beyond comfort.")
    weight_progress: float = _number(0.15, "1/m", 0.0, 1e3, "Selection: reward per meter along the route.")
    weight_consistency: float = _number(0.3, "1/m", 0.0, 1e3, "Selection: distance across the previous plan's path.")
    switching_hysteresis: float = _number(
        0.3, "", 0.0, 1e3, "Selection: by how much another path must be better than the previous one to replace it."
    )

    detection_threshold: float = _number(0.3, "", 0.01, 0.99, "Heat-map score from which a cell is an agent.")
    comfort_decel_mps2: float = _number(2.5, "m/s2", 0.5, 6.0, "Deceleration of the comfort-stop fallback.")
    emergency_decel_mps2: float = _number(6.0, "m/s2", 2.0, 12.0, "Deceleration of the emergency-stop fallback.")
    max_plan_age_s: float = _number(1.0, "s", 0.1, 3.0, "Oldest accepted plan that may be continued as a fallback.")

    def __post_init__(self) -> None:
        for item in fields(self):
            check_value(item.name, getattr(self, item.name))
        if self.fallback_margin_ms >= self.deadline_ms:
            raise ConfigError(
                f"fallback_margin_ms {self.fallback_margin_ms} must be smaller than deadline_ms {self.deadline_ms}"
            )
        self._check_provider()
        if style_problem(self.driving_style):
            raise ConfigError(style_problem(self.driving_style))
        if self.comfort_decel_mps2 > self.emergency_decel_mps2:
            raise ConfigError("comfort_decel_mps2 must not exceed emergency_decel_mps2")
        if self.min_cameras == 0 and not self.require_lidar:
            raise ConfigError("min_cameras 0 and require_lidar false leave nothing to plan from; raise one of them")

    def _check_provider(self) -> None:
        """Refuse what the chosen provider does not have.

        Raises:
            ConfigError: CUDA graphs or fp16 on the CPU, or int8 on a GPU.
        """
        if self.provider == "cpu":
            if self.cuda_graphs == "on":
                raise ConfigError(
                    "cuda_graphs on needs a GPU: set provider to cuda or tensorrt, or cuda_graphs to auto"
                )
            if self.precision == "fp16":
                raise ConfigError(
                    "precision fp16 needs a GPU, a CPU converts every number back: set provider to cuda or tensorrt, "
                    "or precision to fp32 or int8"
                )
        elif self.precision == "int8":
            raise ConfigError(
                f"precision int8 is of graphs for CPUs, which {self.provider} runs slower than fp32: set precision to fp16"
            )

    @staticmethod
    def from_dict(values: dict[str, Any]) -> PlannerConfig:
        """Build a configuration from names and values; whole numbers are accepted for real-valued fields.

        Args:
            values: Parameter name -> value; the others keep their defaults.

        Raises:
            ConfigError: A name is unknown or a value is refused.
        """
        known = {item.name: item for item in fields(PlannerConfig)}
        unknown = sorted(set(values) - set(known), key=str)
        if unknown:
            raise ConfigError(f"unknown parameters {unknown}; known are {sorted(known)}")
        return PlannerConfig(**with_real_numbers(values))


@dataclass(frozen=True, kw_only=True, slots=True)
class NodeConfig:
    """Parameters of the node that do not change how plans are made; they take effect when the node is configured."""

    model: str = _choice(DEFAULT_MODEL, (), "Model folder, or the name of a shipped model.")
    rig: str = _choice("carla.yaml", (), "Rig file of vehicle and sensors; the default is the package's.")
    shadow: bool = _switch(False, "Start in shadow mode: plans are published below ~/shadow, not for control.")


def reject_renamed_parameters(names: Iterable[str], where: str) -> None:
    """Reject parameter names of earlier versions, which would otherwise be ignored or merely unknown.

    Args:
        names: Parameter names as given by the user.
        where: Source of the names, the beginning of the message.

    Raises:
        ConfigError: One of them was renamed; the message gives the new name.
    """
    old = sorted(set(names) & set(RENAMED_PARAMETERS))
    if old:
        new_names = "; ".join(f"'{name}' is now '{RENAMED_PARAMETERS[name]}'" for name in old)
        raise ConfigError(f"{where}: parameter {new_names}; use the new name, see docs/parameters.md")


def with_real_numbers(values: dict[str, Any]) -> dict[str, Any]:
    """Convert whole numbers of real-valued parameters: 100 is 100.0, as people write it.

    Args:
        values: Parameter name -> value.

    Returns:
        The same with real numbers; other values, and values of unknown parameters, are unchanged.
    """
    known = _known()
    given: dict[str, Any] = {}
    for name, value in values.items():
        whole = isinstance(value, int) and not isinstance(value, bool)
        is_real = whole and name in known and known[name][0] is float
        given[name] = float(value) if is_real and abs(value) < _LARGEST_WHOLE else value
    return given


def check_value(name: str, value: Any) -> None:
    """Check type, bounds and options of one parameter.

    Args:
        name: A field of PlannerConfig or NodeConfig.
        value: Its value.

    Raises:
        ConfigError: The value does not have the field's type or lies outside its bounds.
    """
    kind, metadata = _known()[name]
    if type(value) is not kind:
        raise ConfigError(f"parameter {name}: expected {kind.__name__}, got {value!r}")
    low, high = metadata.get("minimum", -_OPEN), metadata.get("maximum", _OPEN)
    if kind in (int, float) and not low <= value <= high:
        raise ConfigError(
            f"parameter {name}: must lie in {low} .. {high} {metadata['unit']}".rstrip() + f", got {value}"
        )
    options = metadata.get("options", ())
    if options and value not in options:
        raise ConfigError(f"parameter {name}: must be one of {', '.join(options)}, got {value!r}")


@functools.cache
def _known() -> dict[str, tuple[type, Mapping[Any, Any]]]:
    """Name -> type and metadata of every parameter."""
    return {
        item.name: (type(item.default), item.metadata) for kind in (PlannerConfig, NodeConfig) for item in fields(kind)
    }


def default_values() -> dict[str, Any]:
    """Every parameter's name and default."""
    return {item.name: item.default for item in fields(PlannerConfig) if item.default is not MISSING}


def parameter_table() -> str:
    """Return all parameters as a Markdown table; ``docs/parameters.md`` holds it and a test keeps the two equal."""
    lines = ["| parameter | default | unit | allowed | meaning |", "| --- | --- | --- | --- | --- |"]
    for item in (*fields(NodeConfig), *fields(PlannerConfig)):
        data = item.metadata
        allowed = "true, false" if isinstance(item.default, bool) else ", ".join(data.get("options", ())) or "any text"
        if "minimum" in data:
            allowed = f"{data['minimum']:g} .. {data['maximum']:g}"
        default = str(item.default).lower() if isinstance(item.default, bool) else item.default
        lines.append(f"| `{item.name}` | {default} | {data['unit']} | {allowed} | {data['text']} |")
    return "\n".join(lines)
