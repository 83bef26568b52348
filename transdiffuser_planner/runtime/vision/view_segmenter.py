"""The optional view graph of a model folder: classes of the stitched view's cells, for visualization and measurements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ENCODER_INPUTS, observation_specs
from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.runtime.inference.manifest import ModelManifest
from transdiffuser_planner.runtime.inference.onnx_session import first_line, make_session

VIEW_GRAPH = "view"


class ViewSegmenter:
    """Runs the view graph on the CPU.

    Args:
        manifest: A checked model folder.
        num_threads: Threads within an operator.

    Raises:
        ModelError: The model has no such graph, or it cannot be loaded.
    """

    def __init__(self, manifest: ModelManifest, num_threads: int = 2) -> None:
        if VIEW_GRAPH not in manifest.graphs:
            raise ModelError(
                f"model folder {manifest.folder}: has no view graph; export a run of a recipe with view_head: true"
            )
        self.contract = manifest.contract
        self._name = manifest.name
        self._session = make_session(manifest.graphs[VIEW_GRAPH], "cpu", num_threads)

    def classes(self, observation: Mapping[str, NDArray[np.float32]]) -> NDArray[np.uint8]:
        """Compute the ViewClass of every cell (H / VIEW_STRIDE, W / VIEW_STRIDE) of one observation.

        Args:
            observation: ``core.contract.ENCODER_INPUTS``, batch of one.

        Raises:
            ModelError: The graph failed.
        """
        try:
            logits: Any = self._session.run(None, {name: observation[name] for name in ENCODER_INPUTS})[0]
        except Exception as error:  # the binding raises types that are not exported
            raise ModelError(f"view graph of {self._name} failed: {first_line(error)}") from None
        return np.asarray(logits[0].argmax(axis=0), dtype=np.uint8)

    def classes_of_view(self, view_HW3: NDArray[np.uint8], covered_V: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Compute the classes of a stitched view without a point cloud.

        Args:
            view_HW3: RGB.
            covered_V: Share of each segment that a camera covers.
        """
        specs = observation_specs(self.contract)
        values = {name: np.zeros((1, *specs[name].shape), dtype=np.float32) for name in ENCODER_INPUTS}
        values["image"][0] = view_HW3.transpose(2, 0, 1).astype(np.float32) / np.float32(255.0)
        values["camera_valid"][0] = covered_V
        return self.classes(values)
