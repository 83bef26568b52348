"""The optional lamp graph of a model folder: states of traffic lights from crops around their heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from transdiffuser_planner.core.errors import ModelError
from transdiffuser_planner.core.types import SignalState
from transdiffuser_planner.core.view_semantics import LAMP_CROP
from transdiffuser_planner.runtime.inference.manifest import ModelManifest
from transdiffuser_planner.runtime.inference.onnx_session import first_line, make_session

LAMP_GRAPH = "lamps"


class LampReader:
    """Runs the lamp graph on the CPU.

    Args:
        manifest: A checked model folder.

    Raises:
        ModelError: The model has no such graph, or it cannot be loaded.
    """

    def __init__(self, manifest: ModelManifest) -> None:
        if LAMP_GRAPH not in manifest.graphs:
            raise ModelError(
                f"model folder {manifest.folder}: has no lamp graph; train the stage lamps of its run and export it again"
            )
        self._name = manifest.name
        self._session = make_session(manifest.graphs[LAMP_GRAPH], "cpu", 1)

    def states(self, crops: Sequence[NDArray[np.uint8]]) -> tuple[list[SignalState], NDArray[np.float32]]:
        """Return the state of each crop and its probability.

        Args:
            crops: RGB (H, W, 3) of any size, a head upright in each.

        Raises:
            ModelError: The graph failed.
        """
        if not crops:
            return [], np.zeros(0, dtype=np.float32)
        size = LAMP_CROP[::-1]
        images = [np.asarray(Image.fromarray(crop).resize(size, Image.Resampling.BILINEAR)) for crop in crops]
        values = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255.0)
        try:
            found: Any = self._session.run(None, {"crop": values})[0]
        except Exception as error:  # the binding raises types that are not exported
            raise ModelError(f"lamp graph of {self._name} failed: {first_line(error)}") from None
        return [SignalState(int(i)) for i in found.argmax(axis=1)], np.asarray(found.max(axis=1), dtype=np.float32)
