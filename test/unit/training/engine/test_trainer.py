"""The training loop: resuming, rejecting, averaging; and its recipe."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")

from transdiffuser_planner.core.errors import ConfigError, TrainingError  # noqa: E402
from transdiffuser_planner.params import RECIPES  # noqa: E402
from transdiffuser_planner.training.batches.loader import ShuffledBatches  # noqa: E402
from transdiffuser_planner.training.engine.devices import Devices  # noqa: E402
from transdiffuser_planner.training.engine.stage_weights import finished_weights  # noqa: E402
from transdiffuser_planner.training.engine.trainer import StageTrainer  # noqa: E402
from transdiffuser_planner.training.recipe import StageConfig, TrainingConfig  # noqa: E402

STAGE = StageConfig(epochs=4.0, batch_size=8, learning_rate=0.05)


def make_batches() -> ShuffledBatches:
    """A linear problem y = 2 x - 1."""

    def make(index, rng):  # type: ignore[no-untyped-def]
        x = torch.from_numpy(index.astype(np.float32))[:, None] / 64.0 + 0.001 * float(rng.random())
        return {"x": x, "y": 2.0 * x - 1.0}

    return ShuffledBatches(64, STAGE.batch_size, 0, make, num_threads=2)


def loss(network, batch):  # type: ignore[no-untyped-def]
    """Mean squared error."""
    return {"total": (network(batch["x"]) - batch["y"]).square().mean()}


def make_trainer(folder: Path, config: StageConfig = STAGE) -> StageTrainer:
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.BatchNorm1d(1), torch.nn.Linear(1, 4), torch.nn.Dropout(0.2), torch.nn.Linear(4, 1)
    )
    return StageTrainer(folder, "line", network, config, make_batches(), Devices())


def test_interrupted_training_resumes_without_a_difference(tmp_path: Path) -> None:
    whole = make_trainer(tmp_path / "whole").fit(loss)
    calls = 0

    def interrupted(network, batch):  # type: ignore[no-untyped-def]
        nonlocal calls
        calls += 1
        if calls == 13:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(network, batch)

    with pytest.raises(KeyboardInterrupt):
        make_trainer(tmp_path / "parts").fit(interrupted)
    with pytest.raises(TrainingError, match="stopped at step 13"):
        finished_weights(tmp_path / "parts", "line")
    parts = make_trainer(tmp_path / "parts").fit(loss)
    assert calls == 13
    for a, b in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0.0, atol=0.0)
    assert finished_weights(tmp_path / "parts", "line")["1.weight"].shape == (4, 1)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    make_trainer(tmp_path).fit(loss)
    with pytest.raises(TrainingError, match="another recipe"):
        make_trainer(tmp_path, StageConfig(epochs=9.0, batch_size=8)).fit(loss)


def test_a_diverging_loss_stops_with_advice(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="lower learning_rate"):
        make_trainer(tmp_path).fit(lambda network, batch: {"total": loss(network, batch)["total"] * float("nan")})


def test_every_sample_is_seen_once_per_epoch() -> None:
    batches = make_batches()
    seen = np.concatenate([batches.indices(step) for step in range(batches.steps_per_epoch)])
    np.testing.assert_array_equal(np.sort(seen), np.arange(64))


def test_an_error_while_preparing_a_batch_reaches_the_consumer() -> None:
    def fail(index, rng):  # type: ignore[no-untyped-def]
        raise OSError("disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        list(ShuffledBatches(8, 4, 0, fail).stream(0, 2))


def test_the_committed_recipe_is_valid() -> None:
    assert TrainingConfig.load(RECIPES / "tiny.yaml").network == "tiny"


def test_the_contract_of_a_recipe_has_its_lidar_heights(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("lidar_heights_m: [0.3, 1, 2]", encoding="utf-8")
    assert TrainingConfig.load(path).contract().lidar_heights_m == (0.3, 1.0, 2.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochz: 3", "epochz"),
        ("encoder: {batch_size: many}", "batch_size"),
        ("seed: [", "not valid YAML"),
        ("lidar_heights_m: 0.3", "lidar_heights_m expected a list of numbers"),
        ("augmentation: {mirror: 1.5}", "mirror"),
    ],
)
def test_a_wrong_recipe_is_refused_with_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        TrainingConfig.load(path)


@pytest.mark.parametrize(
    ("section", "old", "new"),
    [
        ("augmentation", "tell_other", "counterfactual_share"),
        ("augmentation", "colour", "color"),  # codespell:ignore
        ("loss", "centre", "center"),  # codespell:ignore
    ],
)
def test_a_field_of_an_earlier_recipe_is_refused_with_its_present_name(
    tmp_path: Path, section: str, old: str, new: str
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"{section}: {{{old}: 0.5}}", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        TrainingConfig.load(path)
    assert str(caught.value) == f"recipe {path}: {section}: {old} is now {new}; rename it in the recipe"
