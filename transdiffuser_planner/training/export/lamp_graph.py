"""The optional graph of the lamp classifier: from a crop around a traffic light's head to its state."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.view_semantics import LAMP_CROP
from transdiffuser_planner.networks.lamps.lamp_classifier import LampClassifier
from transdiffuser_planner.training.export.onnx_graphs import GraphsOnDisk, difference, trace

LAMPS = "lamps"
AXES = {"crop": {0: "heads"}, "state": {0: "heads"}}


class LampGraph(nn.Module):
    """The classifier with probabilities as outputs.

    Args:
        network: In eval mode.
    """

    def __init__(self, network: LampClassifier) -> None:
        super().__init__()
        self.network = network

    def forward(self, crop_B3HW: Tensor) -> Tensor:
        """Compute the probabilities (B, 4) of SignalState."""
        return torch.as_tensor(self.network(crop_B3HW).softmax(dim=1))


@torch.no_grad()
def write_lamps(network: LampClassifier, folder: Path) -> tuple[str, float]:
    """Trace and write the graph.

    Args:
        network: Trained.
        folder: Target folder.

    Returns:
        File name, and the largest difference from PyTorch.
    """
    graph, file = LampGraph(network.eval()).eval(), f"{LAMPS}.onnx"
    crops = torch.rand(3, 3, *LAMP_CROP, generator=torch.Generator().manual_seed(0))
    trace(graph, (crops,), folder / file, ("crop",), ("state",), AXES)
    found = GraphsOnDisk(folder, {LAMPS: file}).run(LAMPS, {"crop": crops[:2]})
    return file, difference({"state": graph(crops[:2])}, found)
