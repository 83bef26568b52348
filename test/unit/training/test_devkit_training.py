"""Networks that NAVSIM's devkit trains, up to the classes of the devkit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from transdiffuser_planner.core.contract import BASE, TINY  # noqa: E402
from transdiffuser_planner.core.errors import ConfigError, TrainingError  # noqa: E402
from transdiffuser_planner.data.samples.sample_set import sample_specs  # noqa: E402
from transdiffuser_planner.params import RECIPES  # noqa: E402
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule  # noqa: E402
from transdiffuser_planner.training.devkit_training import (  # noqa: E402
    PREFIX,
    OneBatch,
    load_recipe,
    main,
    most_central,
    network_of,
    starting_normalizer,
    weights_in,
)
from transdiffuser_planner.training.run_folder import RunFolder  # noqa: E402
from transdiffuser_planner.training.stages import joint as joint_stage  # noqa: E402


def test_the_recipe_of_navtrain_is_of_the_base_network_without_tokens() -> None:
    contract = load_recipe("navtrain").contract()
    assert (contract.image_width, contract.lidar_cells) == (BASE.image_width, BASE.lidar_cells)
    assert contract.codebook_size == 0


def test_a_recipe_with_action_tokens_is_refused() -> None:
    with pytest.raises(ConfigError, match="action_tokens must be false"):
        load_recipe(str(RECIPES / "tiny_tokens.yaml"))


def test_losses_of_a_batch_reach_encoder_and_decoder() -> None:
    recipe = load_recipe("tiny")
    contract = recipe.contract()
    rng = np.random.default_rng(0)
    specs = sample_specs(contract)
    arrays = {name: np.zeros((2, *spec.shape), dtype=spec.dtype) for name, spec in specs.items()}
    arrays["image"] = rng.integers(0, 255, arrays["image"].shape).astype(np.uint8)
    arrays["plan"][:, :, 0] = np.linspace(4.0, 32.0, 8)
    arrays["plan_valid"][:] = True
    arrays["camera_valid"][:], arrays["lidar_valid"][:] = 1.0, 1.0
    network = network_of(recipe)
    batch = joint_stage.make_batch(
        OneBatch(arrays), None, contract, starting_normalizer(None), recipe, np.arange(2), rng
    )
    schedule = NoiseSchedule.cosine(contract.num_denoise_steps)
    total = joint_stage.losses(recipe, contract, schedule, network, batch)["total"]
    total.backward()
    assert torch.isfinite(total)
    for part in (network.perception.encoder, network.decoder):
        assert any(weight.grad is not None and weight.grad.abs().sum() > 0.0 for weight in part.parameters())
    assert contract.image_width == TINY.image_width


def test_a_checkpoint_of_the_devkit_becomes_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = network_of(load_recipe("tiny"))
    state = {PREFIX + name: value for name, value in network.state_dict().items()}
    torch.save({"state_dict": state, "global_step": 7}, tmp_path / "last.ckpt")
    out = tmp_path / "run"
    assert main([str(tmp_path / "last.ckpt"), "--recipe", "tiny", "--out", str(out)]) == 0
    run = RunFolder.open(out)
    loaded = run.planner_network().state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in network.state_dict().items())
    assert run.vehicle.wheelbase_m == pytest.approx(3.089)
    assert "transdiffuser export" in capsys.readouterr().out


def test_other_files_are_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other, broken = tmp_path / "other.ckpt", tmp_path / "broken.ckpt"
    torch.save({"state_dict": {"agent._transfuser.weight": torch.zeros(1)}, "global_step": 1}, other)
    broken.write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match="holds no weights"):
        weights_in(other)
    assert main([str(broken), "--recipe", "tiny", "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_most_central_of_several_plans_is_no_outlier() -> None:
    plans = np.zeros((5, 8, 3))
    plans[:, :, 0] = np.asarray([0.0, 9.0, 10.0, 11.0, 20.0])[:, None]
    assert most_central(plans)[0, 0] == 10.0
