"""A trained baseline as a folder, executed by ONNX Runtime: ``manifest.json``, ``baseline.onnx`` and ``normalizer.json``.

A baseline gives one plan of the ego from the model's inputs; one that reads features belongs to the encoder of one model.
Letters: T plan steps, P = T x 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.core.errors import ContractError, ModelError
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer
from transdiffuser_planner.runtime.inference.manifest import (
    ModelManifest,
    check_files,
    read_json_file,
    read_manifest,
    sha256_of,
)
from transdiffuser_planner.runtime.inference.onnx_session import make_session

FloatArray = NDArray[np.float64]

EGO_STATUS_MLP: Final = "ego-status-mlp"
EGO_STATUS_MLP_ROUTE: Final = "ego-status-mlp-route"
REGRESSION_HEAD: Final = "regression-head"
BASELINES: Final = (EGO_STATUS_MLP, EGO_STATUS_MLP_ROUTE, REGRESSION_HEAD)
"""All trained baselines: names of folders, weights and planners."""
KIND: Final = "baseline"
GRAPH_NAME: Final = "baseline.onnx"
NORMALIZER_NAME: Final = "normalizer.json"
REQUIRED_KEYS: Final = ("format", "kind", "name", "contract_version", "contract", "files", "encoder_hash")
HOW_TO_MAKE: Final = "make it with 'transdiffuser export RUN --baselines'"


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineManifest:
    """A checked baseline folder.

    Attributes:
        folder: Its path.
        name: Of ``BASELINES``.
        baseline_hash: SHA-256 of the manifest file: covers every byte of the baseline.
        contract: Sizes of all tensors.
        encoder_hash: SHA-256 of the encoder graph whose features it reads; "" where it reads none.
        training: Training settings, as written by the export.
    """

    folder: Path
    name: str
    baseline_hash: str
    contract: ModelContract
    encoder_hash: str
    training: dict[str, Any]

    @property
    def needs_sensors(self) -> bool:
        """Whether it reads the features of a model's encoder."""
        return bool(self.encoder_hash)

    def check_encoder(self, model: ModelManifest) -> None:
        """Reject a model whose encoder is not the one that the baseline was trained on.

        Args:
            model: The model to check.

        Raises:
            ModelError: The encoders differ.
        """
        if self.needs_sensors and sha256_of(model.graphs["encoder"]) != self.encoder_hash:
            raise ModelError(
                f"baseline {self.folder}: was trained on the encoder of another model than {model.folder}; "
                "give that model, or train and export the baseline again"
            )


def load_baseline_manifest(folder: str | Path) -> BaselineManifest:
    """Read and check a baseline folder.

    Args:
        folder: Made by the export.

    Raises:
        ModelError: The folder, a file or a key is missing, a hash differs, it is no baseline, or its format or contract
            version is not supported.
    """
    folder = Path(folder)
    raw, data = read_manifest(folder, REQUIRED_KEYS, HOW_TO_MAKE)
    if data["kind"] != KIND:
        raise ModelError(f"baseline folder {folder}: kind is {data['kind']!r}, expected {KIND!r}; {HOW_TO_MAKE}")
    absent = {GRAPH_NAME, NORMALIZER_NAME} - set(data["files"])
    if absent:
        raise ModelError(
            f"baseline folder {folder}: {', '.join(sorted(absent))} not among the hashed files; {HOW_TO_MAKE}"
        )
    check_files(folder, data["files"])
    try:
        contract = ModelContract.from_dict(data["contract"])
    except ContractError as error:
        raise ModelError(f"baseline folder {folder}: {error}") from None
    return BaselineManifest(
        folder=folder,
        name=str(data["name"]),
        baseline_hash=hashlib.sha256(raw).hexdigest(),
        contract=contract,
        encoder_hash=str(data["encoder_hash"]),
        training=dict(data.get("training", {})),
    )


class BaselineModel:
    """A loaded baseline."""

    def __init__(self, manifest: BaselineManifest, num_threads: int = 1) -> None:
        """Load the graph.

        Args:
            manifest: A checked folder.
            num_threads: Threads within an operator.

        Raises:
            ModelError: The graph or the normalizer cannot be loaded.
        """
        self.manifest = manifest
        self._normalizer = PlanNormalizer.from_json(read_json_file(manifest.folder, NORMALIZER_NAME))
        self._session = make_session(manifest.folder / GRAPH_NAME, "cpu", num_threads)
        self._inputs = tuple(item.name for item in self._session.get_inputs())

    def plan(self, tensors: Mapping[str, NDArray[Any]]) -> FloatArray:
        """Compute the ego's plan (T, 3) in base_link: m, m, rad.

        Args:
            tensors: Observation of one scene with a leading 1, and features and agents if the baseline reads them, agents
                padded to the contract's number.

        Raises:
            ModelError: A tensor is missing or the graph failed.
        """
        missing = [name for name in self._inputs if name not in tensors]
        if missing:
            raise ModelError(f"baseline {self.manifest.name}: inputs {', '.join(missing)} are missing")
        try:
            (plan_1P,) = self._session.run(None, {name: tensors[name] for name in self._inputs})
        except Exception as error:  # the binding raises types that are not exported
            raise ModelError(f"baseline {self.manifest.name} failed: {str(error).splitlines()[0]}") from None
        if not np.isfinite(plan_1P).all():
            raise ModelError(f"baseline {self.manifest.name}: the plan has NaN or infinite values")
        return np.asarray(self._normalizer.to_poses(plan_1P[:, None], np.zeros((0, 3)))[0, 0])
