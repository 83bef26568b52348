"""The optional graph of the view head: from the encoder's inputs to the semantics of the stitched view.

It repeats the encoder, so that the encoder's own graph, which every planning cycle runs, stays as it is without the head. The
weights of both are in the encoder's file.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import ENCODER_INPUTS
from transdiffuser_planner.networks.planner_network import PerceptionNetwork
from transdiffuser_planner.training.export.onnx_graphs import GraphsOnDisk, Tensors, difference, trace
from transdiffuser_planner.training.export.rewriting.rewrite_encoder import rewrite_encoder
from transdiffuser_planner.training.export.shared_tensors import share_tensors

VIEW = "view"
OUTPUT = "view_logits"


class ViewGraph(nn.Module):
    """Image branch with fusion, and the view head.

    Args:
        perception: A network with a view head.
    """

    def __init__(self, perception: PerceptionNetwork) -> None:
        super().__init__()
        self.perception = perception

    def forward(self, image: Tensor, camera_valid: Tensor, lidar: Tensor, lidar_valid: Tensor) -> Tensor:
        """Compute the logits of ``core.view_semantics.view_spec``."""
        assert self.perception.view_head is not None
        features = self.perception.encoder(image, camera_valid, lidar, lidar_valid)
        return torch.as_tensor(self.perception.view_head(features.image_maps))


@torch.no_grad()
def write_view(
    perception: PerceptionNetwork, folder: Path, encoder_file: str, inputs: list[Tensors]
) -> tuple[str, float]:
    """Trace and write the graph.

    Args:
        perception: In eval mode, with a view head.
        folder: Target folder.
        encoder_file: Name of the encoder's graph in it.
        inputs: Observations, each B = 1.

    Returns:
        File name, and the largest difference from PyTorch.
    """
    graph, file = ViewGraph(perception).eval(), f"{VIEW}.onnx"
    scenes = [tuple(torch.from_numpy(values[name]) for name in ENCODER_INPUTS) for values in inputs]
    trace(graph, scenes[0], folder / file, ENCODER_INPUTS, (OUTPUT,))
    rewrite_encoder(folder / file)
    share_tensors(folder / file, folder / encoder_file)
    runner = GraphsOnDisk(folder, {VIEW: file})
    gaps = [
        difference({OUTPUT: graph(*scene)}, runner.run(VIEW, dict(zip(ENCODER_INPUTS, scene, strict=True))))
        for scene in scenes
    ]
    return file, max(gaps)
