"""A model folder of an earlier version with its graphs in the form that this version exports; the weights stay."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from transdiffuser_planner.core.contract import ENCODER_INPUTS, ModelContract
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.runtime.inference.manifest import MANIFEST_NAME, load_manifest, sha256_of
from transdiffuser_planner.runtime.inference.onnx_backend import make_session
from transdiffuser_planner.training.export.model_folder import random_observation
from transdiffuser_planner.training.export.rewriting.rewrite_encoder import rewrite_encoder
from transdiffuser_planner.training.export.shared_tensors import share_tensors
from transdiffuser_planner.training.export.view_graph import VIEW

MAX_REWRITE_DIFFERENCE = 1e-5
"""Rewriting changes the order of sums, nothing else."""
COMPARED_INPUTS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class RewrittenGraph:
    """Result of rewriting a graph.

    Attributes:
        num_nodes: Operators before and after it.
        difference: Largest difference of an output, relative to the output's largest value where that is > 1.
    """

    num_nodes: tuple[int, int]
    difference: float


def rewrite_folder(folder: Path) -> RewrittenGraph:
    """Rewrite the encoder of a model folder and state its new hash in the manifest; other files stay unchanged.

    Args:
        folder: The model folder.

    Returns:
        Sizes and difference, on random inputs with and without sensors.

    Raises:
        ModelError: The folder is no complete model.
        TrainingError: The rewritten graph computes something else; the folder is unchanged.
    """
    manifest = load_manifest(folder)
    source = manifest.graphs["encoder"]
    with tempfile.TemporaryDirectory(dir=folder, prefix="rewritten.partial.") as scratch:
        target = Path(scratch) / source.name
        shutil.copyfile(source, target)
        rewrite_encoder(target)
        difference = _difference(source, target, manifest.contract)
        if not difference <= MAX_REWRITE_DIFFERENCE:
            raise TrainingError(
                f"model folder {folder}: the rewritten encoder differs by {difference:.1e} (allowed {MAX_REWRITE_DIFFERENCE:.0e}); "
                "nothing was changed"
            )
        sizes = _num_nodes(source), _num_nodes(target)
        data = json.loads((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
        data["files"][source.name] = sha256_of(target)
        view = manifest.graphs.get(VIEW)
        if view is not None:
            moved = Path(scratch) / view.name
            onnx.save(onnx.load(str(view)), str(moved))  # complete, with the tensors of the encoder's file
            share_tensors(moved, target)
            data["files"][view.name] = sha256_of(moved)
        # Results that were measured before remain valid; the model card names the hash.
        data["training"]["rewritten_from"] = {"model_hash": manifest.model_hash, "difference": difference}
        stated = Path(scratch) / MANIFEST_NAME
        stated.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        target.replace(source)
        if view is not None:
            moved.replace(view)
        stated.replace(folder / MANIFEST_NAME)
    return RewrittenGraph(num_nodes=sizes, difference=difference)


def _num_nodes(path: Path) -> int:
    return len(onnx.load(str(path)).graph.node)


def _difference(before: Path, after: Path, contract: ModelContract) -> float:
    sessions = [make_session(path, "cpu", 1) for path in (before, after)]
    worst = 0.0
    for seed in range(COMPARED_INPUTS):
        values = random_observation(contract, seed)
        feeds = {name: values[name] for name in ENCODER_INPUTS}
        for name in [name for name in ENCODER_INPUTS if name.endswith("valid")]:
            feeds[name] = np.random.default_rng(seed).integers(0, 2, feeds[name].shape).astype(np.float32)
        for ours, theirs in zip(*(session.run(None, feeds) for session in sessions), strict=True):
            worst = max(worst, float(np.abs(ours - theirs).max()) / max(float(np.abs(ours).max()), 1.0))
    return worst
