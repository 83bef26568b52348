"""Three graphs of a model: modules with flat inputs and outputs, traced to ONNX, compared with the trained network.

Letters: B scenes, M samples, N = 1 + A tokens, P numbers of a plan.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from transdiffuser_planner.core.contract import (
    AGENT_AXIS,
    CANDIDATE_AXIS,
    ENCODER_INPUTS,
    SCORER_INPUTS,
    TOKEN_AXIS,
    ModelContract,
    auxiliary_specs,
    condition_inputs,
    observation_specs,
    plan_spec,
)
from transdiffuser_planner.networks.decoder.condition_cache import ScenePreparation, step_names
from transdiffuser_planner.networks.decoder.denoise_step import DenoiseStep
from transdiffuser_planner.networks.encoder.scene_encoder import FEATURE_NAMES
from transdiffuser_planner.networks.planner_network import PerceptionNetwork, PlannerNetwork
from transdiffuser_planner.networks.scorer.plan_scorer import PlanScorer
from transdiffuser_planner.training.export.rewriting.rewrite_encoder import rewrite_encoder

Tensors = dict[str, NDArray[Any]]
Axes = dict[str, dict[int, str]]

GRAPHS = ("encoder", "condition", "denoise")
OPSET = 17
PARITY_CANDIDATES = 30
CONDITION_AXES: Axes = {
    "agents": {1: AGENT_AXIS},
    "agents_valid": {1: AGENT_AXIS},
    "token_input": {0: TOKEN_AXIS},
    "token_bias": {3: TOKEN_AXIS},
}
DENOISE_AXES: Axes = {
    "x": {0: CANDIDATE_AXIS, 1: TOKEN_AXIS},
    "token_input": {0: TOKEN_AXIS},
    "token_bias": {3: TOKEN_AXIS},
    "eps": {0: CANDIDATE_AXIS, 1: TOKEN_AXIS},
}
SCORER_AXES: Axes = {
    "pose": {0: CANDIDATE_AXIS},
    "agent_pose": {0: CANDIDATE_AXIS, 1: AGENT_AXIS},
    "agents": {1: AGENT_AXIS},
    "agents_valid": {1: AGENT_AXIS},
    "score": {0: CANDIDATE_AXIS},
}


def condition_names(contract: ModelContract) -> tuple[str, ...]:
    """Inputs of the condition graph, in order."""
    return (*FEATURE_NAMES, *condition_inputs(contract), "agents", "agents_valid")


class EncoderGraph(nn.Module):
    """Perception with a flat list of outputs.

    Args:
        perception: The network.
    """

    def __init__(self, perception: PerceptionNetwork) -> None:
        super().__init__()
        self.perception = perception

    def forward(self, image: Tensor, camera_valid: Tensor, lidar: Tensor, lidar_valid: Tensor) -> tuple[Tensor, ...]:
        """Compute scene tokens, then auxiliary outputs."""
        features, heads = self.perception(image, camera_valid, lidar, lidar_valid)
        return (*(features.tokens[name] for name in FEATURE_NAMES), *heads.values())


class ConditionGraph(nn.Module):
    """``ScenePreparation`` with flat inputs and outputs.

    Args:
        network: The whole network.
    """

    def __init__(self, network: PlannerNetwork) -> None:
        super().__init__()
        self.preparation = ScenePreparation(network.decoder)
        self.conditions = condition_inputs(network.contract)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the tensors of ``step_names`` from those of ``condition_names``."""
        features = dict(zip(FEATURE_NAMES, inputs, strict=False))
        conditions = dict(zip(self.conditions, inputs[len(FEATURE_NAMES) : -2], strict=True))
        return tuple(self.preparation(features, conditions, *inputs[-2:]).values())


class DenoiseGraph(nn.Module):
    """``DenoiseStep`` with flat inputs.

    Args:
        network: The whole network.
    """

    def __init__(self, network: PlannerNetwork) -> None:
        super().__init__()
        self.step, self.names = DenoiseStep(network.decoder), step_names(network.decoder)

    def forward(self, x_MNP: Tensor, k: Tensor, *prepared: Tensor) -> Tensor:
        """Predict the noise (M, N, P)."""
        return torch.as_tensor(self.step(x_MNP, k, dict(zip(self.names, prepared, strict=True))))


class ScorerGraph(nn.Module):
    """``PlanScorer`` of one scene with flat inputs and sub-scores from 0 to 1.

    Args:
        scorer: The network.
    """

    def __init__(self, scorer: PlanScorer) -> None:
        super().__init__()
        self.scorer = scorer

    def forward(self, pose_MT3: Tensor, agent_MAT3: Tensor, *scene: Tensor) -> Tensor:
        """Compute the sub-scores (M, Q)."""
        named = dict(zip(SCORER_INPUTS, scene, strict=True))
        return torch.as_tensor(self.scorer(pose_MT3[None], agent_MAT3[None], named)[0].sigmoid())


def _tensors(values: Tensors, names: tuple[str, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.from_numpy(values[name]) for name in names)


@torch.no_grad()
def write_graphs(network: PlannerNetwork, folder: Path, values: Tensors) -> dict[str, str]:
    """Trace and write the three graphs, the encoder's in its rewritten form.

    Args:
        network: In eval mode.
        folder: Target folder.
        values: All observation and agent tensors of one scene, B = 1.

    Returns:
        Graph name -> file name.
    """
    encoder, condition, denoise = EncoderGraph(network.perception), ConditionGraph(network), DenoiseGraph(network)
    encoder_in = _tensors(values, ENCODER_INPUTS)
    names = tuple(step_names(network.decoder))
    heads = tuple(auxiliary_specs(network.contract))
    trace(encoder, encoder_in, folder / "encoder.onnx", ENCODER_INPUTS, (*FEATURE_NAMES, *heads))
    rewrite_encoder(folder / "encoder.onnx")
    features = encoder(*encoder_in)[: len(FEATURE_NAMES)]
    condition_from = condition_names(network.contract)
    condition_in = (*features, *_tensors(values, condition_from[len(FEATURE_NAMES) :]))
    trace(condition, condition_in, folder / "condition.onnx", condition_from, names, CONDITION_AXES)
    x = torch.zeros(PARITY_CANDIDATES, *plan_spec(network.contract).shape)
    denoise_in = (x, torch.ones(1, dtype=torch.int64), *condition(*condition_in))
    trace(denoise, denoise_in, folder / "denoise.onnx", ("x", "k", *names), ("eps",), DENOISE_AXES)
    return {name: f"{name}.onnx" for name in GRAPHS}


def trace(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    path: Path,
    input_names: tuple[str, ...],
    output_names: tuple[str, ...],
    axes: Axes | None = None,
) -> None:
    """Write a module as ONNX.

    Args:
        module: Module with flat inputs and outputs.
        inputs: Example inputs.
        path: File to write.
        input_names: Names of the inputs, in order.
        output_names: Names of the outputs, in order.
        axes: Dynamic axes by tensor.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            inputs,
            str(path),
            input_names=list(input_names),
            output_names=list(output_names),
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
        )


class GraphsOnDisk:
    """Written graphs, run with ONNX Runtime on torch tensors.

    Args:
        folder: Folder of the graphs.
        graphs: Graph name -> file name.
    """

    def __init__(self, folder: Path, graphs: dict[str, str]) -> None:
        self._sessions = {
            name: onnxruntime.InferenceSession(str(folder / file), providers=["CPUExecutionProvider"])
            for name, file in graphs.items()
        }

    def run(self, name: str, feeds: dict[str, Tensor]) -> dict[str, Tensor]:
        """Run a graph and return its outputs by name; feeds of other names are ignored."""
        session = self._sessions[name]
        inputs = {item.name for item in session.get_inputs()}
        names = [item.name for item in session.get_outputs()]
        values = session.run(names, {key: value.numpy() for key, value in feeds.items() if key in inputs})
        return {key: torch.from_numpy(value) for key, value in zip(names, values, strict=True)}


@torch.no_grad()
def write_scorer(network: PlannerNetwork, scorer: PlanScorer, folder: Path, inputs: list[Tensors]) -> float:
    """Trace and write the scorer's graph as ``scorer.onnx``; returns its largest difference from PyTorch.

    Args:
        network: Trained network with the scorer's encoder.
        scorer: In eval mode.
        folder: Target folder.
        inputs: Scenes as for ``graph_differences``; plans and agents' futures are random.
    """
    graph, worst = ScorerGraph(scorer).eval(), 0.0
    heads = tuple(auxiliary_specs(network.contract))
    generator = torch.Generator().manual_seed(0)
    for values in inputs:
        encoded = EncoderGraph(network.perception).eval()(*_tensors(values, ENCODER_INPUTS))
        scene = dict(zip((*FEATURE_NAMES, *heads), encoded, strict=True))
        for count in (network.contract.num_agents, 3, 0):
            scene |= {name: torch.from_numpy(value) for name, value in values.items()}
            scene |= {name: scene[name][:, :count] for name in ("agents", "agents_valid")}
            pose = torch.randn(PARITY_CANDIDATES, network.contract.num_plan_steps, 3, generator=generator).cumsum(dim=1)
            agent = 5.0 * torch.randn(PARITY_CANDIDATES, count, network.contract.num_plan_steps, 3, generator=generator)
            feeds = {"pose": pose, "agent_pose": agent, **{name: scene[name] for name in SCORER_INPUTS}}
            if not (folder / "scorer.onnx").is_file():
                trace(graph, tuple(feeds.values()), folder / "scorer.onnx", tuple(feeds), ("score",), SCORER_AXES)
                runner = GraphsOnDisk(folder, {"scorer": "scorer.onnx"})
            worst = max(worst, difference({"score": graph(*feeds.values())}, runner.run("scorer", feeds)))
    return worst


@torch.no_grad()
def graph_differences(
    network: PlannerNetwork, folder: Path, graphs: dict[str, str], inputs: list[Tensors]
) -> dict[str, float]:
    """Largest difference of each graph from PyTorch, relative to the output's largest value where that is > 1.

    Encoder and condition graphs are compared with their modules; the denoise graph, with inputs of the condition graph, is
    compared with the trained decoder. Every scene is also tested without agents and with the first three only.

    Args:
        network: The trained network.
        folder: Folder of the graphs.
        graphs: Graph name -> file name.
        inputs: All observation and agent tensors of each scene, B = 1.
    """
    runner = GraphsOnDisk(folder, graphs)
    worst = dict.fromkeys(graphs, 0.0)
    condition = ConditionGraph(network).eval()
    heads = tuple(auxiliary_specs(network.contract))
    for number, values in enumerate(inputs):
        scene = {name: torch.from_numpy(values[name]) for name in observation_specs(network.contract)}
        outputs = EncoderGraph(network.perception).eval()(*(scene[name] for name in ENCODER_INPUTS))
        expected = dict(zip((*FEATURE_NAMES, *heads), outputs, strict=True))
        worst["encoder"] = max(worst["encoder"], difference(expected, runner.run("encoder", scene)))
        for count in (0, 3, network.contract.num_agents):
            scene |= {name: torch.from_numpy(values[name][:, :count]) for name in ("agents", "agents_valid")}
            feeds = {name: {**expected, **scene}[name] for name in condition_names(network.contract)}
            prepared = runner.run("condition", feeds)
            ours = dict(zip(step_names(network.decoder), condition(*feeds.values()), strict=True))
            worst["condition"] = max(worst["condition"], difference(ours, prepared))
            for ours, x in _trained_steps(network, feeds, number, count):
                theirs = runner.run("denoise", {**x, **prepared})
                worst["denoise"] = max(worst["denoise"], difference(ours, theirs))
    return worst


def _trained_steps(
    network: PlannerNetwork, feeds: dict[str, Tensor], seed: int, num_agents: int
) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Noise predictions of the trained decoder at the first and the last denoise step.

    Yields:
        Outputs and inputs of the denoise graph.
    """
    generator = torch.Generator().manual_seed(seed)
    prepared = network.decoder.prepare(feeds, feeds, feeds["agents"], feeds["agents_valid"])
    shape = (PARITY_CANDIDATES, 1 + num_agents, plan_spec(network.contract).shape[1])
    for k in (1, network.contract.num_denoise_steps):
        x, step = torch.randn(shape, generator=generator), torch.tensor([k])
        noise, _ = network.decoder(x[None], step[None], prepared)
        yield {"eps": noise[0]}, {"x": x, "k": step}


def difference(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """Largest difference over all tensors, relative to a tensor's largest value where that is > 1."""
    gaps = [0.0]
    for name, value in ours.items():
        if value.numel():
            scale = max(float(value.abs().max()), 1.0)
            gaps.append(float((value - theirs[name]).abs().max()) / scale)
    return float(np.max(gaps))
