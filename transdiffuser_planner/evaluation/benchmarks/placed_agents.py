"""A backend whose detections are a given number of cars next to the ego's lane, whatever the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.contract import BoxIndex, ModelContract
from transdiffuser_planner.runtime.inference.backend import InferenceBackend

Tensors = Mapping[str, NDArray[np.float32]]

MOST: Final = 32
_AHEAD_M: Final = (6.0, -6.0, 13.0, -13.0, 20.0, -20.0, 27.0, -27.0)
_LEFT_M: Final = (7.0, -7.0, 12.0, -12.0)
_LENGTH_M, _WIDTH_M = 4.5, 1.9


class PlacedAgents:
    """Replaces the detection head's outputs; encoder and everything after it run as always.

    Args:
        backend: Executes the model.
        num_agents: 0 to 32 cars.
    """

    def __init__(self, backend: InferenceBackend, num_agents: int) -> None:
        self._backend = backend
        self._outputs = detection_outputs(backend.manifest.contract, num_agents)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def encode(self, observation: Tensors) -> Tensors:
        """Encode, then place the cars; see ``InferenceBackend``."""
        return {**self._backend.encode(observation), **self._outputs}


def detection_outputs(contract: ModelContract, num_agents: int) -> Tensors:
    """Return heat-map and boxes, with a leading 1, in which so many cars stand parallel to the ego.

    Args:
        contract: Sizes of the detection head.
        num_agents: 0 to 32.
    """
    assert 0 <= num_agents <= MOST
    cells = contract.bev_cells
    heatmap = np.full((1, len(AgentClass), cells, cells), -8.0, dtype=np.float32)
    box = np.zeros((1, len(BoxIndex), cells, cells), dtype=np.float32)
    box[:, BoxIndex.COS] = 1.0
    box[:, BoxIndex.LOG_LENGTH], box[:, BoxIndex.LOG_WIDTH] = np.log(_LENGTH_M), np.log(_WIDTH_M)
    places = [(x_m, y_m) for x_m in _AHEAD_M for y_m in _LEFT_M][:num_agents]
    for x_m, y_m in places:
        row, column = ((contract.range_m - value) / contract.bev_cell_m for value in (x_m, y_m))
        heatmap[0, AgentClass.CAR, int(row), int(column)] = 4.0
    return {"agent_heatmap": heatmap, "agent_box": box}
