"""All stages of a run on a few random samples: precision, stages in order, stage 3, several processes."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")

from transdiffuser_planner.core.contract import TINY  # noqa: E402
from transdiffuser_planner.core.errors import ConfigError  # noqa: E402
from transdiffuser_planner.data.samples.sample_set import SampleSet  # noqa: E402
from transdiffuser_planner.training.batches.loader import ShuffledBatches  # noqa: E402
from transdiffuser_planner.training.engine.devices import Devices  # noqa: E402
from transdiffuser_planner.training.engine.stage_weights import finished_weights  # noqa: E402
from transdiffuser_planner.training.recipe import StageConfig, TrainingConfig  # noqa: E402
from transdiffuser_planner.training.run import Run  # noqa: E402
from transdiffuser_planner.training.stages import decoder as decoder_stage  # noqa: E402
from transdiffuser_planner.training.stages import encoder as encoder_stage  # noqa: E402
from transdiffuser_planner.training.stages import joint as joint_stage  # noqa: E402

SHORT = StageConfig(epochs=0.2, batch_size=4, samples_per_scene=2)
RECIPE = TrainingConfig(encoder=SHORT, decoder=SHORT, joint=replace(SHORT, learning_rate=1e-4), baselines=SHORT)
FP32, BF16 = Devices(precision="fp32"), Devices(precision="bf16")


@pytest.fixture(scope="module")
def samples(samples_folder: Path) -> SampleSet:
    """Training set."""
    return SampleSet.open(samples_folder / "train", TINY)


@pytest.fixture(scope="module")
def held_out(samples_folder: Path) -> SampleSet:
    """Validation set."""
    return SampleSet.open(samples_folder / "validation", TINY)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, samples: SampleSet, held_out: SampleSet) -> Run:
    """A run with its first two stages."""
    run = Run.create(tmp_path_factory.mktemp("run") / "tiny", RECIPE, machine=FP32)
    run.train_encoder(samples, held_out)
    run.train_decoder(samples, held_out)
    return run


def first_batch(make) -> dict[str, "torch.Tensor"]:  # type: ignore[no-untyped-def]
    return make(np.arange(4), np.random.default_rng(1))  # type: ignore[no-any-return]


def total(machine: Devices, network, losses, batch) -> float:  # type: ignore[no-untyped-def]
    """Compute the loss of a training step, with the same noise and without dropout."""
    torch.manual_seed(5)
    with torch.no_grad(), machine.autocast():
        return float(losses(network.eval(), batch)["total"])


def test_loss_of_every_stage_is_the_same_in_fp32_and_bf16(trained: Run, samples: SampleSet) -> None:
    config, contract, normalizer, schedule = RECIPE, trained.contract, trained.normalizer(), trained.schedule
    encoder = encoder_stage.EncoderStage(trained.network, contract)
    encoder.load_state_dict(finished_weights(trained.folder, "encoder"))
    both, cache = trained.planner_network(), trained.features("train", samples)
    decoder_samples = decoder_stage.DecoderSamples(samples, trained.codebook())
    cases = [
        (
            encoder,
            partial(encoder_stage.losses, config, contract),
            first_batch(encoder_stage.batch_maker(samples, contract, normalizer, config)),
        ),
        (
            both.decoder,
            partial(decoder_stage.losses, config.loss, 2, schedule),
            first_batch(decoder_stage.batch_maker(decoder_samples, cache, contract, normalizer, config)),
        ),
        (
            both,
            partial(joint_stage.losses, config, contract, schedule),
            first_batch(joint_stage.batch_maker(samples, trained.codebook(), contract, normalizer, config)),
        ),
    ]
    for network, losses, batch in cases:
        exact, half = total(FP32, network, losses, batch), total(BF16, network, losses, batch)
        assert np.isfinite(exact) and exact != half
        assert half == pytest.approx(exact, rel=0.01)


def test_training_ends_at_the_same_loss_in_fp32_and_bf16(
    trained: Run, samples: SampleSet, held_out: SampleSet, tmp_path: Path
) -> None:
    half = Run.create(tmp_path / "bf16", RECIPE, machine=BF16)
    half.train_encoder(samples, held_out)
    make = encoder_stage.batch_maker(samples, trained.contract, trained.normalizer(), RECIPE)
    losses, batch, ends = partial(encoder_stage.losses, RECIPE, trained.contract), first_batch(make), []
    for run in (trained, half):
        network = encoder_stage.EncoderStage(run.network, run.contract)
        network.load_state_dict(finished_weights(run.folder, "encoder"))
        ends.append(total(FP32, network, losses, batch))
    assert np.isfinite(ends).all()
    assert ends[1] == pytest.approx(ends[0], rel=0.01)


def test_the_joint_stage_changes_encoder_and_decoder_and_is_exported(
    trained: Run, samples: SampleSet, held_out: SampleSet, tmp_path: Path
) -> None:
    run = replace(trained, folder=tmp_path)
    for path in trained.folder.glob("*.*"):
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    before = {name: value.clone() for name, value in run.planner_network().state_dict().items()}
    run.train_joint(samples, held_out)
    after = run.planner_network().state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert {"perception.encoder.image_branch.conv1.weight", "perception.encoder.lidar_branch.conv1.weight"} <= moved
    assert any(name.startswith("decoder.") for name in moved)
    (tmp_path / "joint.safetensors").unlink()
    (tmp_path / "joint.ckpt").rename(tmp_path / "kept.ckpt")
    assert torch.equal(run.planner_network().state_dict()[next(iter(moved))], before[next(iter(moved))])


def test_two_processes_train_by_the_same_command(samples_folder: Path, tmp_path: Path) -> None:
    recipe, out = tmp_path / "recipe.yaml", tmp_path / "run"
    recipe.write_text("encoder: {epochs: 0.2, batch_size: 4}\n", encoding="utf-8")
    command = [sys.executable, "-m", "transdiffuser_planner.cli.main", "train", "--stage", "encoder", "--threads", "1"]
    command += ["--samples", str(samples_folder / "train"), "--validation", str(samples_folder / "validation")]
    command += ["--recipe", str(recipe), "--out", str(out), "--devices", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 x cpu" in done.stdout and done.stdout.count("training on") == 1
    assert finished_weights(out, "encoder")


def test_processes_share_a_batch_without_overlap() -> None:
    batches = ShuffledBatches(64, 8, 0, lambda index, rng: {"index": index})
    shares = [batches.shard(rank, 2).indices(3) for rank in range(2)]
    np.testing.assert_array_equal(np.sort(np.concatenate(shares)), np.sort(batches.indices(3)))
    assert len(shares[0]) == len(shares[1]) == 4
    with pytest.raises(ConfigError, match="batch_size 8 is no multiple of the 3 devices"):
        batches.shard(0, 3)
