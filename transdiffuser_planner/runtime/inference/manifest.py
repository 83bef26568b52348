"""A model folder: its manifest and the check of everything in it before the first inference.

``models/<name>/manifest.json`` names every file with its SHA-256, the contract, the graphs and how the model was made.
A folder with one byte changed, a file missing or another contract version is rejected. int8 graphs are optional: they are
listed separately and checked if present.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transdiffuser_planner.core.contract import CONTRACT_VERSION, STORED_PRECISIONS, ModelContract
from transdiffuser_planner.core.errors import ConfigError, ContractError, ModelError
from transdiffuser_planner.core.files import read_text
from transdiffuser_planner.core.vehicle import VehicleModel, stated_vehicle
from transdiffuser_planner.planning.action_codebook import CODEBOOK_NAME, ActionCodebook
from transdiffuser_planner.planning.diffusion.joint_sampler import JointSampler
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule
from transdiffuser_planner.planning.diffusion.normalization import PlanNormalizer

MANIFEST_NAME = "manifest.json"
MANIFEST_FORMAT = 1
REQUIRED_KEYS = (
    "format",
    "name",
    "contract_version",
    "contract",
    "files",
    "graphs",
    "encoder_features",
    "condition_outputs",
)
REQUIRED_GRAPHS = ("encoder", "condition", "denoise")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelManifest:
    """Content of a checked model folder.

    Attributes:
        folder: Its path.
        name: For example "tiny".
        model_hash: SHA-256 of the manifest file: covers every byte of the model.
        contract: Sizes of all tensors.
        graphs: Graph name -> fp32 file.
        int8_graphs: Graph name -> int8 file, of quantized graphs only; empty when the model has none.
        encoder_features: The encoder's outputs that the conditioner reads.
        condition_outputs: The conditioner's outputs that every denoise step reads.
        vehicle: Vehicle that its scorer assumes; the default car for manifests of older exports without the entry.
        training: Training settings, as written by the export.
        metrics: Validation metrics, as written by the export.
    """

    folder: Path
    name: str
    model_hash: str
    contract: ModelContract
    graphs: dict[str, Path]
    int8_graphs: dict[str, Path]
    encoder_features: tuple[str, ...]
    condition_outputs: tuple[str, ...]
    vehicle: VehicleModel
    training: dict[str, Any]
    metrics: dict[str, Any]

    def graphs_of(self, precision: str) -> dict[str, Path]:
        """Return graph name -> file for a precision.

        Args:
            precision: Of ``core.contract.STORED_PRECISIONS``.

        Raises:
            ModelError: The precision is unknown, or the folder has no int8 graphs.
        """
        if precision not in STORED_PRECISIONS:
            raise ModelError(f"precision '{precision}' is unknown; known are {', '.join(STORED_PRECISIONS)}")
        if precision == "fp32":
            return dict(self.graphs)
        missing = [path.name for path in self.int8_graphs.values() if not path.is_file()]
        if missing or not self.int8_graphs:
            what = f"{', '.join(missing)} missing" if missing else "no int8 graphs"
            raise ModelError(
                f"model folder {self.folder}: {what}; make them with 'transdiffuser quantize {self.folder} --samples "
                "SAMPLES', or use precision fp32"
            )
        return {**self.graphs, **self.int8_graphs}

    def codebook(self) -> ActionCodebook | None:
        """Return the model's action codebook; None when it takes no action tokens.

        Raises:
            ModelError: The file cannot be read, or disagrees with itself or the contract.
        """
        if not self.contract.codebook_size:
            return None
        try:
            codebook = ActionCodebook.from_json(self.read_json(CODEBOOK_NAME))
            codebook.check(self.contract)
        except ContractError as error:
            raise ModelError(f"model folder {self.folder}: {error}") from None
        return codebook

    def sampler(self) -> JointSampler:
        """Return the model's sampler: noise schedule, normalizer and sizes.

        Raises:
            ModelError: A file cannot be read.
        """
        return JointSampler(
            contract=self.contract,
            schedule=NoiseSchedule.from_json(self.read_json("noise_schedule.json")),
            normalizer=PlanNormalizer.from_json(self.read_json("normalizer.json")),
        )

    def top_speed_mps(self) -> float:
        """Return the speed that the ego of the training data hardly exceeds.

        Raises:
            ModelError: The normalizer cannot be read.
        """
        normalizer = PlanNormalizer.from_json(self.read_json("normalizer.json"))
        return normalizer.top_speed_mps(self.contract.plan_interval_s)

    def read_json(self, filename: str) -> Any:
        """Read a JSON file of the folder, for example the normalizer."""
        return read_json_file(self.folder, filename)


def read_json_file(folder: Path, filename: str) -> Any:
    """A JSON file of a model or baseline folder.

    Raises:
        ModelError: It cannot be read.
    """
    try:
        return json.loads(read_text(folder / filename))
    except (OSError, ValueError) as error:
        raise ModelError(f"model {folder}: {filename} cannot be read ({error}); export the model again") from None


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def load_manifest(folder: str | Path) -> ModelManifest:
    """Read and check a model folder.

    Raises:
        ModelError: The folder, a file or a key is missing, a hash differs, or the format or contract version is
        another.
    """
    folder = Path(folder)
    raw, data = read_manifest(folder, REQUIRED_KEYS, "give a folder made by 'transdiffuser export'")
    check_files(folder, data["files"])
    int8_graphs = _int8_graphs(folder, data)
    absent = [name for name in REQUIRED_GRAPHS if data["graphs"].get(name) not in data["files"]]
    if absent:
        raise ModelError(
            f"model folder {folder}: graph {', '.join(absent)} is not among the hashed files; export again"
        )
    try:
        contract = ModelContract.from_dict(data["contract"])
    except ContractError as error:
        raise ModelError(f"model folder {folder}: {error}") from None
    try:
        vehicle = stated_vehicle(data)
    except ConfigError as error:
        raise ModelError(f"model folder {folder}: {MANIFEST_NAME}: {error}; export the model again") from None
    if contract.codebook_size and CODEBOOK_NAME not in data["files"]:
        raise ModelError(f"model folder {folder}: {CODEBOOK_NAME} is not among the hashed files; export again")
    return ModelManifest(
        folder=folder,
        name=str(data["name"]),
        model_hash=hashlib.sha256(raw).hexdigest(),
        contract=contract,
        graphs={name: folder / file for name, file in data["graphs"].items()},
        int8_graphs=int8_graphs,
        encoder_features=tuple(data["encoder_features"]),
        condition_outputs=tuple(data["condition_outputs"]),
        vehicle=vehicle,
        training=data.get("training", {}),
        metrics=data.get("metrics", {}),
    )


def read_manifest(folder: Path, keys: Sequence[str], remedy: str) -> tuple[bytes, dict[str, Any]]:
    """Read the manifest and check its keys and versions.

    Args:
        folder: Folder of a model or a baseline.
        keys: Required keys.
        remedy: Advice of the error when there is no manifest.

    Raises:
        ModelError: The manifest or a key is missing, or its format or contract version is not supported.
    """
    path = folder / MANIFEST_NAME
    try:
        raw = path.read_bytes()
        data = json.loads(raw)
    except FileNotFoundError:
        raise ModelError(f"model folder {folder}: no {MANIFEST_NAME}; {remedy}") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"model folder {folder}: {MANIFEST_NAME} cannot be read ({error})") from None
    missing = [key for key in keys if not isinstance(data, dict) or key not in data]
    if missing:
        raise ModelError(
            f"model folder {folder}: {MANIFEST_NAME} is missing {', '.join(missing)}; export the model again"
        )
    for key, supported in (("format", MANIFEST_FORMAT), ("contract_version", CONTRACT_VERSION)):
        if data[key] != supported:
            raise ModelError(
                f"model folder {folder}: {key} is {data[key]}, this version reads {supported}; export the model again"
            )
    return raw, data


def _int8_graphs(folder: Path, data: dict[str, Any]) -> dict[str, Path]:
    """Return graph name -> int8 file; files that exist are compared with their hashes.

    Raises:
        ModelError: A graph has no hash or an unknown name, or a file differs from its hash.
    """
    listed = data.get("int8", {})
    graphs, files = listed.get("graphs", {}), listed.get("files", {})
    if not set(graphs.values()) <= set(files) or not set(graphs) <= set(REQUIRED_GRAPHS):
        raise ModelError(f"model folder {folder}: int8 graphs without a hash or of unknown names; quantize again")
    check_files(folder, {name: digest for name, digest in files.items() if (folder / name).is_file()})
    return {name: folder / file for name, file in graphs.items()}


def check_files(folder: Path, files: dict[str, str]) -> None:
    """Compare every file with its hash.

    Args:
        folder: Folder of the files.
        files: File name -> SHA-256.

    Raises:
        ModelError: A file is missing or differs.
    """
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(f"model folder {folder}: {name} is missing; copy the whole folder again")
        if sha256_of(path) != expected:
            raise ModelError(f"model folder {folder}: {name} differs from its SHA-256 in the manifest; copy it again")
