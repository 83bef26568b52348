"""Recipe of a training run: all settings that change its result, read from one YAML file."""

from __future__ import annotations

import json
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

import yaml

from transdiffuser_planner.core.contract import CONTRACTS, ModelContract
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.files import read_text
from transdiffuser_planner.training.preference_recipe import PreferenceConfig

RENAMED = {"colour": "color", "tell_other": "counterfactual_share", "centre": "center"}  # codespell:ignore
"""Fields of earlier recipes -> their present names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageConfig:
    """Optimization of one stage: AdamW with a OneCycle learning rate.

    Attributes:
        epochs: Passes over the samples; may be a fraction.
        batch_size: Scenes per step, summed over all devices.
        samples_per_scene: Noisy samples per scene and step (stages decoder and joint only).
        learning_rate: Maximum learning rate.
        weight_decay: Weight decay of AdamW.
        warmup_share: Share of the steps in which the learning rate rises.
        ema_decay: Decay of the exponential moving average of the weights; 0 disables it.
    """

    epochs: float = 1.0
    batch_size: int = 64
    samples_per_scene: int = 1
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup_share: float = 0.1
    ema_decay: float = 0.999

    def __post_init__(self) -> None:
        if self.epochs <= 0.0 or self.batch_size < 1 or self.samples_per_scene < 1 or self.learning_rate <= 0.0:
            raise ConfigError(
                "training stage: epochs, batch_size, samples_per_scene and learning_rate must be positive"
            )
        if not 0.0 < self.warmup_share < 1.0 or not 0.0 <= self.ema_decay < 1.0:
            raise ConfigError("training stage: warmup_share must lie in 0 .. 1 and ema_decay in 0 .. 1 (excluding 1)")


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentationConfig:
    """Probabilities per sample that an input is masked or changed during training.

    Attributes:
        mirror: Left and right swapped (encoder stage only: a mirrored town drives on the other side).
        color: Brightness, contrast and color of the images changed.
        style: Appearance of the images changed strongly: random tone curves, mixed colors, textured surfaces.
        blur, noise, cutout, jpeg: Images blurred, with noise, with hidden rectangles, with artifacts of compression.
        lidar_density: Counts of the point cloud's cells multiplied or thinned, as of a LiDAR with more or fewer points.
        drop_cameras: All cameras masked, the point cloud kept.
        drop_camera: Each camera masked.
        drop_lidar: Point cloud masked.
        drop_history: Past poses masked, so that the plan does not simply continue the past.
        drop_acceleration: Acceleration masked, for the same reason.
        drop_route: Route masked.
        drop_command: Driving command unknown.
        drop_signal: Traffic signal masked.
        drop_speed_limit: Speed limit masked.
        drop_tokens: Action tokens masked.
        cut_tokens: Action tokens end early.
        counterfactual_share: Action tokens and target plan of another maneuver than the logged one, where the road allows one.
        drop_agent: Each agent removed.
        drop_agent_speed: Speed of each agent unknown.
    """

    mirror: float = 0.5
    color: float = 0.8
    style: float = 0.0
    blur: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0
    jpeg: float = 0.0
    lidar_density: float = 0.0
    drop_cameras: float = 0.0
    drop_camera: float = 0.05
    drop_lidar: float = 0.05
    drop_history: float = 0.6
    drop_acceleration: float = 0.5
    drop_route: float = 0.08
    drop_command: float = 0.2
    drop_signal: float = 0.15
    drop_speed_limit: float = 0.2
    drop_tokens: float = 0.4
    cut_tokens: float = 0.5
    counterfactual_share: float = 0.4
    drop_agent: float = 0.08
    drop_agent_speed: float = 0.15

    def __post_init__(self) -> None:
        wrong = [item.name for item in fields(self) if not 0.0 <= getattr(self, item.name) <= 1.0]
        if wrong:
            raise ConfigError(f"augmentation: {', '.join(wrong)} must be probabilities in 0 .. 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class LossWeights:
    """Weights of the loss terms; bev to denoising belong to the encoder stage.

    Attributes:
        bev: BEV segmentation.
        center: Centers of agents.
        box: Boxes of agents.
        signal: Traffic signal.
        plan: Plan regression.
        view: Semantics of the stitched view, of a recipe with view_head.
        distillation: Difference of the scene tokens from those of the encoder that initializes this one (--init-from), which
            reads the images before their appearance is changed.
        denoising: Noise prediction of the frozen decoder of --init-from on the encoder's tokens.
        ego: Noise prediction of the ego.
        agents: Noise prediction or plan regression of the agents.
        decorrelation: Decorrelation loss on one noisy sample of every scene, outside the denoise loop.
        decorrelation_inside: Decorrelation loss on every noisy sample, inside the loop; an ablation of the paper.
    """

    bev: float = 1.0
    center: float = 1.0
    box: float = 0.3
    signal: float = 0.3
    plan: float = 1.0
    view: float = 1.0
    distillation: float = 0.0
    denoising: float = 0.0
    ego: float = 1.0
    agents: float = 0.5
    decorrelation: float = 0.02
    decorrelation_inside: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """A whole recipe.

    Attributes:
        network: Size of the networks, tiny or base.
        seed: Seed of all random numbers.
        denoise_steps: T of the diffusion, in training and at run time.
        joint_agents: True to denoise ego and agents together.
        action_tokens: True for a model that can be conditioned on action tokens.
        score_condition: True for a model that can be asked for sub-scores, the parameter driving_style (train --table).
        lidar_heights_m: Heights that divide the LiDAR points into channels: ground, then obstacles by height.
        backbone: Image branch: resnet of the network's size, or efficientnet_lite0 (train --pretrained efficientnet_lite0).
        view_head: True for a head that segments the stitched view, on samples with labels of it.
        rehearsal_share: Share of each batch, above 0 and below 1, that is drawn from the rehearsed samples of the stages encoder
            and decoder (train --rehearse); without such samples it has no effect.
        freeze_norms: True to keep the statistics of the encoder's batch norms in stage encoder, as fine-tuning on few or similar
            scenes needs: they would take those over at once and make the encoder worse for all others.
        encoder: Stage 1.
        decoder: Stage 2.
        joint: Optional stage 3; needs a small learning rate because it starts from trained weights.
        scorer: The plan scorer.
        lamps: The classifier of traffic lights' heads.
        baselines: The baselines.
        augmentation: Augmentation of the samples.
        loss: Weights of the loss terms.
        preference: Learning from a table of scored plans (train --table), stage decoder.
    """

    network: str = "tiny"
    seed: int = 0
    denoise_steps: int = 10
    joint_agents: bool = True
    action_tokens: bool = True
    score_condition: bool = False
    lidar_heights_m: tuple[float, ...] = (0.3,)
    backbone: str = "resnet"
    view_head: bool = False
    rehearsal_share: float = 0.5
    freeze_norms: bool = False
    encoder: StageConfig = field(default_factory=lambda: StageConfig(batch_size=32))
    decoder: StageConfig = field(default_factory=lambda: StageConfig(samples_per_scene=8))
    joint: StageConfig = field(
        default_factory=lambda: StageConfig(batch_size=32, samples_per_scene=4, learning_rate=5e-5)
    )
    scorer: StageConfig = field(default_factory=lambda: StageConfig(epochs=20.0, batch_size=16))
    lamps: StageConfig = field(default_factory=lambda: StageConfig(epochs=50.0, batch_size=32, ema_decay=0.99))
    baselines: StageConfig = field(default_factory=StageConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    loss: LossWeights = field(default_factory=LossWeights)
    preference: PreferenceConfig = field(default_factory=PreferenceConfig)

    def __post_init__(self) -> None:
        if not 0.0 < self.rehearsal_share < 1.0:
            raise ConfigError(f"recipe: rehearsal_share {self.rehearsal_share}: expected above 0 and below 1")

    @staticmethod
    def load(path: str | Path) -> TrainingConfig:
        """Read a recipe.

        Args:
            path: YAML file, or JSON file with the suffix .json.

        Raises:
            ConfigError: Unreadable file, unknown key, wrong type or value out of bounds.
        """
        try:
            text = read_text(path)
            # JSON is not parsed as YAML, which reads 5e-05 as a string.
            data = json.loads(text) if Path(path).suffix == ".json" else yaml.safe_load(text)
        except OSError as error:
            raise ConfigError(f"recipe {path}: cannot be read ({error.strerror})") from None
        except (yaml.YAMLError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"recipe {path}: not valid YAML ({str(error).splitlines()[0]})") from None
        return cast(TrainingConfig, _build(TrainingConfig, data, f"recipe {path}"))

    def contract(self) -> ModelContract:
        """Sizes of the tensors: those of the network's size with the recipe's changes.

        Raises:
            ConfigError: The network is unknown.
            ContractError: lidar_heights_m do not increase.
        """
        if self.network not in CONTRACTS:
            raise ConfigError(f"recipe: network '{self.network}' is unknown; known are {', '.join(CONTRACTS)}")
        return replace(
            CONTRACTS[self.network],
            num_denoise_steps=self.denoise_steps,
            lidar_heights_m=self.lidar_heights_m,
            score_condition=self.score_condition,
            **({} if self.action_tokens else {"codebook_size": 0}),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON-serializable form of the recipe."""
        return asdict(self)

    def changed(self, changes: Any, where: str) -> TrainingConfig:
        """Replace values of the recipe.

        Args:
            changes: Nested mapping of the new values.
            where: Prefix of error messages.

        Raises:
            ConfigError: Unknown key, wrong type or value out of bounds.
        """
        if not isinstance(changes, Mapping):
            raise ConfigError(f"{where}: expected a mapping, got {changes!r}")
        return cast(TrainingConfig, _build(TrainingConfig, _merged(self.to_dict(), changes), where))


def _merged(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Replace values of nested mappings."""
    out = dict(data)
    for key, value in changes.items():
        inner = out.get(key)
        out[key] = _merged(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return out


def _build(kind: Any, data: Any, where: str) -> Any:
    """Build a dataclass from a mapping, checked recursively.

    Raises:
        ConfigError: Unknown or renamed key, wrong type or value out of bounds.
    """
    hints = typing.get_type_hints(kind)
    for name in data if isinstance(data, dict) else ():
        if RENAMED.get(name) in hints:
            raise ConfigError(f"{where}: {name} is now {RENAMED[name]}; rename it in the recipe")
    if not isinstance(data, dict) or set(data) - set(hints):
        raise ConfigError(f"{where}: expected a mapping with keys among {sorted(hints)}, got {data!r}")
    values: dict[str, Any] = {}
    for name, value in data.items():
        expected = hints[name]
        if expected in (bool, int, float, str):
            number = expected is float and isinstance(value, int) and not isinstance(value, bool)
            if type(value) is not expected and not number:
                raise ConfigError(f"{where}: {name} expected {expected.__name__}, got {value!r}")
            values[name] = expected(value)
        elif expected == tuple[float, ...]:
            if not isinstance(value, list | tuple) or not all(type(item) in (int, float) for item in value):
                raise ConfigError(f"{where}: {name} expected a list of numbers, got {value!r}")
            values[name] = tuple(float(item) for item in value)
        else:
            values[name] = _build(expected, value, f"{where}: {name}")
    return kind(**values)
