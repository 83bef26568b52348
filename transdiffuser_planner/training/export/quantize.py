"""int8 graphs next to the fp32 graphs of a model folder: static, per channel, calibrated on training samples.

Convolutions between feature maps, with the additions and rectifiers that join them, and large linear layers are computed
in int8. The last convolution of a head stays fp32 because its channels have different units, and so do norms, softmax and
products with scene tensors. A graph with little gain from int8 on the quantizing machine stays fp32 and is listed in the
manifest.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from tqdm import tqdm

from transdiffuser_planner.core.contract import (
    CANDIDATE_AXIS,
    ENCODER_INPUTS,
    TOKEN_AXIS,
    ModelContract,
)
from transdiffuser_planner.core.errors import TrainingError
from transdiffuser_planner.data.samples.sample_set import LABELS, SampleSet, observation_of, stored_observation
from transdiffuser_planner.data.samples.targets import visible_agents
from transdiffuser_planner.runtime.inference.backend import InferenceBackend
from transdiffuser_planner.runtime.inference.manifest import MANIFEST_NAME, ModelManifest, load_manifest, sha256_of
from transdiffuser_planner.runtime.inference.onnx_backend import OnnxBackend
from transdiffuser_planner.runtime.inference.onnx_session import make_session
from transdiffuser_planner.training.export.model_folder import random_observation
from transdiffuser_planner.training.export.onnx_graphs import GRAPHS
from transdiffuser_planner.training.export.rewriting.feature_maps import join_in_rows

Tensors = dict[str, NDArray[Any]]

CANDIDATES = 4
MIN_GAIN = 1.25
TIMING_ROUNDS = 40
TIMED_CANDIDATES = 15
MIN_WEIGHTS = 1 << 16
"""A linear layer with fewer weights gains less than the conversion of its numbers costs."""
TYPES = ["Conv", "Relu", "Add", "Gemm", "MatMul"]
AGENT_NAMES = ("agents", "agents_valid")


@dataclass(frozen=True, kw_only=True)
class QuantizedGraph:
    """Run times of one graph in both precisions.

    Attributes:
        name: Name of the graph.
        fp32_ms: Least processor time of a run in fp32, milliseconds.
        int8_ms: The same in int8, milliseconds.
    """

    name: str
    fp32_ms: float
    int8_ms: float

    @property
    def kept(self) -> bool:
        """True if the gain from int8 is large enough to keep its graph."""
        return self.fp32_ms >= MIN_GAIN * self.int8_ms


def sample_scenes(samples: SampleSet, contract: ModelContract, count: int) -> list[Tensors]:
    """Evenly spread samples, each a batch of one.

    Args:
        samples: Set of samples.
        contract: Sizes of the model.
        count: Largest number of scenes.

    Returns:
        Observation, present agents, "stamp_ns" and the logged plan of each.
    """
    chosen = np.linspace(0, len(samples) - 1, min(count, len(samples))).astype(np.int64)
    scenes = []
    for index in chosen:
        raw = samples.gather(np.asarray([index]), (*stored_observation(contract), *LABELS, "stamp_ns"))
        agents = visible_agents(raw, contract)
        num_present = max(int(agents["agents_valid"].sum()), 1)
        observation = observation_of(raw, contract)
        known = {name: agents[name][:, :num_present] for name in AGENT_NAMES}
        scenes.append({**observation, **known, **{name: raw[name] for name in ("stamp_ns", "plan", "plan_valid")}})
    return scenes


def random_scenes(contract: ModelContract, count: int) -> list[Tensors]:
    """Random inputs, for sizes without samples."""
    return [{**random_observation(contract, seed), "stamp_ns": np.asarray([seed])} for seed in range(count)]


def draw_plans(
    backend: InferenceBackend, scene: Tensors, num_candidates: int, watch: Callable[[str, Tensors], None] | None = None
) -> NDArray[np.float32]:
    """Joint samples (M, N, P) in model space by the full chain, with the noise of the scene's stamp.

    Args:
        backend: The model.
        scene: From ``sample_scenes``.
        num_candidates: M.
        watch: Callback with the name and inputs of each graph run.
    """
    sampler = backend.manifest.sampler()
    agents = {name: scene[name] for name in AGENT_NAMES}
    features = backend.encode(scene)
    condition = backend.condition(features, scene, agents)
    if watch is not None:
        watch("encoder", {name: scene[name] for name in ENCODER_INPUTS})
        watch("condition", {**{name: features[name] for name in backend.manifest.encoder_features}, **scene})

    def predict(x: NDArray[np.float32], k: int) -> NDArray[np.float32]:
        if watch is not None:
            watch("denoise", {"x": x, "k": np.asarray([k], dtype=np.int64), **condition})
        return backend.predict_noise(x, k, condition)

    noise = sampler.noise(0, int(scene["stamp_ns"][0]), num_candidates)[:, :, : 1 + agents["agents"].shape[1]]
    return sampler.walk(predict, np.ascontiguousarray(noise)).x0_MNP


class _CalibrationFeeds(CalibrationDataReader):  # type: ignore[misc]
    """Inputs of one graph, returned one by one."""

    def __init__(self, feeds: Iterable[Tensors], inputs: set[str]) -> None:
        self._feeds = iter([{name: value for name, value in feed.items() if name in inputs} for feed in feeds])

    def get_next(self) -> Tensors | None:
        """Next inputs, None at the end."""
        return next(self._feeds, None)


def quantize_model(folder: Path, scenes: list[Tensors], calibration: dict[str, Any]) -> list[QuantizedGraph]:
    """Write int8 graphs into a model folder and list them in its manifest.

    Args:
        folder: A model folder; its fp32 graphs stay unchanged.
        scenes: From ``sample_scenes`` or ``random_scenes``.
        calibration: Description of the scenes for the manifest.

    Raises:
        ModelError: The folder is no complete model.
        TrainingError: There are no scenes, or an int8 graph gives NaN or infinite values.
    """
    manifest = load_manifest(folder)
    if not scenes:
        raise TrainingError("quantize: no samples to calibrate on; give a folder made by 'transdiffuser dataset'")
    feeds = _record(manifest, scenes)
    with tempfile.TemporaryDirectory(dir=folder, prefix="int8.partial.") as scratch:
        results = []
        for name in tqdm(GRAPHS, desc="graphs", unit="graph", file=sys.stderr):
            path = Path(scratch) / f"{name}.int8.onnx"
            _quantize(manifest.graphs[name], path, feeds[name])
            results.append(_time(name, manifest.graphs[name], path, _typical(feeds[name])))
        for result in results:
            target = folder / f"{result.name}.int8.onnx"
            target.unlink(missing_ok=True)
            if result.kept:
                (Path(scratch) / target.name).replace(target)
        _list_in_manifest(folder, results, calibration)
    return results


def _record(manifest: ModelManifest, scenes: list[Tensors]) -> dict[str, list[Tensors]]:
    """Record the inputs of every graph during the sampling of plans for the scenes."""
    feeds: dict[str, list[Tensors]] = {name: [] for name in GRAPHS}
    backend = OnnxBackend(manifest)
    for scene in tqdm(scenes, desc="calibration", unit="scene", file=sys.stderr, mininterval=1.0):
        draw_plans(backend, scene, CANDIDATES, lambda name, feed: feeds[name].append(feed))
    return feeds


def _quantize(source: Path, target: Path, feeds: list[Tensors]) -> None:
    """Quantize one graph; weights get seven bits because CPUs without VNNI saturate their sums with eight."""
    with tempfile.TemporaryDirectory() as scratch:
        prepared, rows = Path(scratch) / source.name, Path(scratch) / "rows.onnx"
        model = onnx.load(str(source))
        join_in_rows(model)
        onnx.save(model, str(rows))
        quant_pre_process(str(rows), str(prepared), skip_symbolic_shape=True)
        model = onnx.load(str(prepared))
        _add_scene_biases_apart(model.graph)
        onnx.save(model, str(prepared))
        graph = model.graph
        quantize_static(
            str(prepared),
            str(target),
            _CalibrationFeeds(feeds, {item.name for item in graph.input}),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=TYPES,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_left_in_fp32(graph),
            # Successors of a linear layer are computed in fp32 anyway.
            extra_options={"MatMulConstBOnly": True, "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"]},
        )


def _add_scene_biases_apart(graph: Any) -> None:
    """Split Gemm with trained weights but a bias from the scene into Gemm and Add: a variable bias has no int8 form."""
    weights = {item.name for item in graph.initializer}
    nodes = []
    for node in graph.node:
        nodes.append(node)
        if (
            node.op_type == "Gemm"
            and node.input[1] in weights
            and len(node.input) == 3
            and node.input[2] not in weights
        ):
            bias, total = node.input.pop(), node.output[0]
            node.output[0] = f"{total}_product"
            nodes.append(onnx.helper.make_node("Add", [node.output[0], bias], [total], name=f"{node.name}_bias"))
    del graph.node[:]
    graph.node.extend(nodes)


def _left_in_fp32(graph: Any) -> list[str]:
    """Names of the nodes of ``TYPES`` that stay fp32."""
    weights = {item.name: int(np.prod(item.dims)) for item in graph.initializer if len(item.dims) == 2}
    joined = {name for node in graph.node if node.op_type in ("Conv", "Relu", "Add") for name in node.input}
    maps = {node.output[0] for node in graph.node if node.op_type == "Conv" and node.output[0] in joined}
    left = []
    for node in graph.node:
        if node.op_type in ("Gemm", "MatMul"):
            kept = weights.get(node.input[1], 0) < MIN_WEIGHTS
        elif node.op_type == "Conv":
            kept = node.output[0] not in maps
        elif node.op_type == "Add":
            kept = not maps.intersection(node.input)
            maps |= set() if kept else set(node.output)
        else:
            kept = node.op_type == "Relu" and node.input[0] not in maps
        if kept:
            left.append(node.name)
    return left


def _typical(feeds: list[Tensors]) -> Tensors:
    """Inputs of median size."""
    return sorted(feeds, key=lambda feed: sum(value.size for value in feed.values()))[len(feeds) // 2]


def _time(name: str, fp32: Path, int8: Path, feed: Tensors) -> QuantizedGraph:
    """Measure the least processor time of both precisions, on this thread and interleaved: other processes have no part in it.

    Raises:
        TrainingError: The int8 graph gives NaN or infinite values.
    """
    sizes = {}
    if name == "denoise":
        feed = {**feed, "x": np.repeat(feed["x"][:1], TIMED_CANDIDATES, axis=0)}
        sizes = {CANDIDATE_AXIS: TIMED_CANDIDATES, TOKEN_AXIS: feed["x"].shape[1]}
    sessions = [make_session(path, "cpu", 1, sizes) for path in (fp32, int8)]
    used = {item.name for item in sessions[0].get_inputs()}
    feed = {key: value for key, value in feed.items() if key in used}
    if not all(np.isfinite(value).all() for value in sessions[1].run(None, feed)):
        raise TrainingError(f"quantize: {int8.name} gives NaN or infinite values; calibrate on other samples")
    least = [float("inf"), float("inf")]
    for _ in range(TIMING_ROUNDS):
        for number, session in enumerate(sessions):
            start = time.thread_time()
            session.run(None, feed)
            least[number] = min(least[number], (time.thread_time() - start) * 1e3)
    return QuantizedGraph(name=name, fp32_ms=least[0], int8_ms=least[1])


def _list_in_manifest(folder: Path, results: list[QuantizedGraph], calibration: dict[str, Any]) -> None:
    """List names, hashes and reasons in the manifest."""
    path = folder / MANIFEST_NAME
    data = json.loads(path.read_text(encoding="utf-8"))
    graphs = {result.name: f"{result.name}.int8.onnx" for result in results if result.kept}
    data["int8"] = {
        "graphs": graphs,
        "files": {file: sha256_of(folder / file) for file in graphs.values()},
        "left_fp32": {
            result.name: f"gains too little: {result.int8_ms:.2f} ms in int8, {result.fp32_ms:.2f} ms in fp32"
            for result in results
            if not result.kept
        },
        "calibration": calibration,
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
