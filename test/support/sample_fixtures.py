"""Random samples: random sensors, plausible labels."""

from pathlib import Path

import numpy as np
import pytest

from transdiffuser_planner.core.agents import AgentClass
from transdiffuser_planner.core.contract import TINY, AgentIndex, BevClass
from transdiffuser_planner.data.samples.sample_set import META_NAME, sample_specs

try:
    import torch

    torch.set_num_threads(1)  # a second thread slows such small networks down, most of all under load
except ImportError:
    pass

COUNTS = {"train": 40, "validation": 4}
NUM_AGENTS = 16


@pytest.fixture(scope="session")
def samples_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with samples of the tiny model in its subfolders "train" and "validation"."""
    folder = tmp_path_factory.mktemp("samples")
    for name, count in COUNTS.items():
        write_samples(folder / name, count)
    return folder


def write_samples(folder: Path, count: int) -> None:
    """Write samples with straight motion at constant speed."""
    folder.mkdir()
    rng = np.random.default_rng(4)
    arrays = {name: np.zeros((count, *spec.shape), dtype=spec.dtype) for name, spec in sample_specs(TINY).items()}
    for name in ("image", "lidar"):
        arrays[name][:] = rng.integers(0, 6 if name == "lidar" else 256, arrays[name].shape)
    for name, value in arrays.items():
        if name.endswith("_valid"):
            value[:] = 1
    arrays["gt_agents_known"][:] = True
    arrays["gt_agents_valid"][:, NUM_AGENTS:] = False
    arrays["gt_agents_future_valid"][:, NUM_AGENTS:] = False
    speed = rng.uniform(1.0, 12.0, count)
    arrays["status"][:, [0, 4]] = np.stack([np.ones(count), speed], axis=1)
    arrays["history"][:, :, 0] = np.linspace(-1.5, 0.0, TINY.num_history) * speed[:, None]
    arrays["route"][..., 0] = 3.0 * np.arange(1, TINY.num_route_points + 1)
    arrays["plan"][..., 0] = speed[:, None] * TINY.plan_times_s
    agents, future = arrays["gt_agents"][:, :NUM_AGENTS], arrays["gt_agents_future"][:, :NUM_AGENTS]
    agents[..., AgentIndex.X_M] = rng.uniform(-25.0, 25.0, agents.shape[:2])
    agents[..., AgentIndex.Y_M] = rng.uniform(-25.0, 25.0, agents.shape[:2])
    agents[..., AgentIndex.COS] = 1.0
    agents[..., AgentIndex.SPEED_MPS] = rng.uniform(0.0, 8.0, agents.shape[:2])
    agents[..., [AgentIndex.LENGTH_M, AgentIndex.WIDTH_M]] = 4.5, 1.8
    agents[..., AgentIndex.CLASS + AgentClass.CAR] = 1.0
    arrays["gt_agents_points"][:] = 20
    driven = agents[..., AgentIndex.SPEED_MPS, None] * TINY.plan_times_s
    future[..., 0] = agents[..., AgentIndex.X_M, None] + driven
    future[..., 1] = agents[..., AgentIndex.Y_M, None]
    arrays["bev"][:] = rng.integers(0, len(BevClass), arrays["bev"].shape)
    arrays["stamp_ns"][:] = np.arange(count) * 500_000_000
    for name, value in arrays.items():
        np.save(folder / f"{name}.npy", value)
    (folder / META_NAME).write_text("{}", encoding="utf-8")
