"""PDM-Closed's plans of frames: taken from an earlier table where it has them, computed elsewhere.

They depend on the scene only, not on the model, and cost more than all the rest of scoring a frame.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.data.candidates.scored_candidates import ABOUT_NAME, ScoredDrive
from transdiffuser_planner.metrics.pdm.prepared_scene import PreparedScene
from transdiffuser_planner.metrics.pdm.reference_planner.pdm_closed import ScoreVersion, plan_reference

FloatArray = NDArray[np.float64]


class KnownReferences:
    """References of one drive.

    Args:
        known: Poses (41, 3) in the map frame by stamp in ns.
    """

    def __init__(self, known: dict[int, FloatArray]) -> None:
        self._known = known

    @staticmethod
    def of(table: Path | None, drive: str) -> KnownReferences:
        """Read those of a drive in a table; none without a table, or where it does not have the drive.

        Args:
            table: Folder of the table, with the drive in it or in a folder below.
            drive: Name of the drive.

        Raises:
            InputError: The drive's folder cannot be read.
        """
        known: dict[int, FloatArray] = {}
        for about in sorted(table.rglob(f"{drive}/{ABOUT_NAME}")) if table is not None else ():
            arrays = ScoredDrive.open(about.parent).arrays
            stamps = (int(stamp) for stamp in arrays["stamp_ns"])
            known |= dict(zip(stamps, np.asarray(arrays["reference"]), strict=True))
        return KnownReferences(known)

    def plan(self, stamp_ns: int, scene: PreparedScene) -> FloatArray:
        """Return the reference (41, 3) of a scene, map frame.

        Args:
            stamp_ns: Stamp of the scene.
            scene: The scene at that stamp.
        """
        known = self._known.get(stamp_ns)
        return plan_reference(scene, ScoreVersion.PDMS).pose_S3 if known is None else known
