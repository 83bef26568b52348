"""Training with several processes ends when it is asked to, with its state saved."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")

from transdiffuser_planner.training.engine.stage_weights import checkpoint_path  # noqa: E402

PROGRAM = """
import sys
import time
from pathlib import Path

import torch

from transdiffuser_planner.training.batches.loader import ShuffledBatches
from transdiffuser_planner.training.engine.devices import Devices, is_first_process
from transdiffuser_planner.training.engine.trainer import StageTrainer
from transdiffuser_planner.training.recipe import StageConfig

steps = 0


def loss(network, batch):
    global steps
    steps += 1
    if steps == 3 and is_first_process():
        print("training", flush=True)
    return {"total": network(batch["x"]).square().mean()}


def make(index, rng):
    return {"x": torch.ones(len(index), 1)}


torch.set_num_threads(1)
config = StageConfig(epochs=1e5, batch_size=4)
batches = ShuffledBatches(64, 4, 0, make)
try:
    StageTrainer(Path(sys.argv[1]), "line", torch.nn.Linear(1, 1), config, batches, Devices(num_devices=2)).fit(loss)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM])
def test_two_processes_end_together_when_the_first_is_asked_to(number: signal.Signals, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), str(tmp_path / "run")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    # A pipe ends only when both processes have ended.
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True) as first:
        assert first.stdout is not None
        try:
            assert first.stdout.readline() == "training\n"
            first.send_signal(number)
            assert first.stdout.read() == ""
            assert first.wait() == 130
        finally:
            if first.poll() is None:
                os.killpg(first.pid, signal.SIGKILL)
    assert checkpoint_path(tmp_path / "run", "line").is_file()
