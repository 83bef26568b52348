"""The lamp classifier learns states from crops, and its graph gives the same ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")

from transdiffuser_planner.data.lamps.lamp_crops import LampCrops, drawn_head  # noqa: E402
from transdiffuser_planner.runtime.inference.manifest import load_manifest  # noqa: E402
from transdiffuser_planner.runtime.vision.lamp_reader import LampReader  # noqa: E402
from transdiffuser_planner.training.engine.devices import Devices  # noqa: E402
from transdiffuser_planner.training.export.lamp_graph import write_lamps  # noqa: E402
from transdiffuser_planner.training.recipe import StageConfig, TrainingConfig  # noqa: E402
from transdiffuser_planner.training.run import Run  # noqa: E402


def heads(count: int, seed: int) -> LampCrops:
    rng = np.random.default_rng(seed)
    drawn = [drawn_head(rng) for _ in range(count)]
    return LampCrops(
        image_N3HW=np.stack([image for image, _ in drawn]), state_N=np.asarray([int(state) for _, state in drawn])
    )


def test_states_are_learned_and_read_from_the_graph(tmp_path: Path) -> None:
    recipe = TrainingConfig(lamps=StageConfig(epochs=8.0, batch_size=16, learning_rate=3e-3, ema_decay=0.9))
    run = Run.create(tmp_path / "run", recipe, machine=Devices(precision="fp32"))
    run.train_lamps(heads(80, seed=1), heads(20, seed=2))
    network = run.lamps()
    assert network is not None
    file, difference = write_lamps(network, tmp_path)
    assert difference < 1e-5
    manifest = load_manifest("models/tiny")
    reader = LampReader(replace(manifest, graphs={**manifest.graphs, "lamps": tmp_path / file}))
    unseen = heads(60, seed=3)
    states, probability = reader.states(list(unseen.image_N3HW.transpose(0, 2, 3, 1)))
    assert np.mean(np.asarray(states) == unseen.state_N) > 0.6  # by chance: 0.25
    assert probability.shape == (60,) and reader.states([])[0] == []
