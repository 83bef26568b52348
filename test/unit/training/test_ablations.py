"""Ablations: rows with one change each, runs that share an encoder, and networks without attention between agents."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")

from transdiffuser_planner.core.contract import TINY  # noqa: E402
from transdiffuser_planner.core.errors import ConfigError  # noqa: E402
from transdiffuser_planner.core.vehicle import EGO_VEHICLE  # noqa: E402
from transdiffuser_planner.data.samples.sample_set import SampleSet  # noqa: E402
from transdiffuser_planner.networks.encoder.scene_encoder import FEATURE_NAMES  # noqa: E402
from transdiffuser_planner.networks.losses import decorrelation_loss  # noqa: E402
from transdiffuser_planner.networks.network_config import tiny_config  # noqa: E402
from transdiffuser_planner.params import RECIPES  # noqa: E402
from transdiffuser_planner.planning.diffusion.noise_schedule import NoiseSchedule  # noqa: E402
from transdiffuser_planner.training.ablations import prepare_run, read_ablations  # noqa: E402
from transdiffuser_planner.training.engine.devices import Devices  # noqa: E402
from transdiffuser_planner.training.export.model_folder import export_model, random_observation  # noqa: E402
from transdiffuser_planner.training.export.random_model import random_network, unit_normalizer  # noqa: E402
from transdiffuser_planner.training.recipe import LossWeights, StageConfig, TrainingConfig  # noqa: E402
from transdiffuser_planner.training.run import Run  # noqa: E402
from transdiffuser_planner.training.stages import decoder as decoder_stage  # noqa: E402

ALONE = replace(tiny_config(), joint=False)
SHORT = StageConfig(epochs=0.2, batch_size=4, samples_per_scene=2)


def test_the_shipped_rows_change_what_their_names_state() -> None:
    recipe = TrainingConfig.load(RECIPES / "tiny_tokens.yaml")
    rows = {item.name: item for item in read_ablations(RECIPES / "ablations_tiny.yaml", recipe)}
    whole = rows["whole"].recipe
    assert rows["whole_seed_1"].recipe == replace(whole, seed=1)
    assert rows["steps_5"].recipe == replace(whole, denoise_steps=5)
    assert rows["agents_not_joint"].recipe == replace(whole, joint_agents=False)
    assert rows["no_action_tokens"].recipe == replace(whole, action_tokens=False)
    assert rows["decorrelation_off"].recipe.loss == replace(whole.loss, decorrelation=0.0)
    assert rows["encoder_unfrozen"].joint_from == "whole"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rows: {a: {changes: {denoise_step: 5}}}", "a: expected a mapping with keys among"),
        ("rows: {a: {changes: {denoise_steps: many}}}", "denoise_steps expected int, got 'many'"),
        ("rows: {a: {change: {}}}", r"a: expected a mapping with keys among \['changes', 'joint_from', 'title'\]"),
        ("rows: {a: {joint_from: b}}", "joint_from 'b' is no row above it"),
        ("rows: [a]", "expected a mapping with 'rows'"),
        ("rows: {", "cannot be read"),
    ],
)
def test_wrong_rows_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rows.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        read_ablations(path, TrainingConfig())


def test_a_row_trains_on_the_encoder_of_another_run(tmp_path: Path, samples_folder: Path) -> None:
    samples, held_out = (SampleSet.open(samples_folder / name, TINY) for name in ("train", "validation"))
    machine = Devices(precision="fp32")
    base = Run.create(tmp_path / "base", TrainingConfig(encoder=SHORT, decoder=SHORT), machine=machine)
    base.train_encoder(samples, held_out)
    base.train_decoder(samples, held_out)
    rows = tmp_path / "rows.yaml"
    rows.write_text("rows: {few: {title: T = 3, changes: {denoise_steps: 3, action_tokens: false}}}", encoding="utf-8")
    (few,) = read_ablations(rows, base.config)
    run = prepare_run(few, base.folder, tmp_path / "out", machine)
    run.train_decoder(samples, held_out)
    network, first = run.planner_network(), base.planner_network()
    assert run.contract.num_denoise_steps == 3 and not run.contract.codebook_size and run.codebook() is None
    assert network.decoder.step_embedding.num_embeddings == 4
    for mine, theirs in zip(network.perception.parameters(), first.perception.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    assert run.feature_folder == base.folder / "features"
    with pytest.raises(ConfigError, match=r"no encoder\.safetensors; train its encoder first"):
        prepare_run(few, tmp_path / "nothing", tmp_path / "out2", machine)


def test_agents_that_are_not_joint_do_not_influence_one_another() -> None:
    network, values = random_network(ALONE, TINY), random_observation(TINY, 5)
    tensors = {name: torch.from_numpy(value) for name, value in values.items()}
    noise = torch.randn(1, 2, 9, 24, generator=torch.Generator().manual_seed(0))
    other = noise.clone()
    other[:, :, 3] += 1.0

    def predict(x: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return network(tensors, tensors["agents"], tensors["agents_valid"], x, torch.tensor([[5]])).numpy()

    changed = np.abs(predict(noise) - predict(other)).max(axis=(0, 1, 3))
    assert changed[3] > 1e-3 and not np.delete(changed, 3).any()


def test_networks_that_are_not_joint_are_exported_exactly(tmp_path: Path) -> None:
    contract = replace(TINY, codebook_size=0)
    network = random_network(ALONE, contract)
    result = export_model(
        network, unit_normalizer(contract), NoiseSchedule.cosine(10), tmp_path / "alone", vehicle=EGO_VEHICLE
    )
    assert max(result.difference.values()) < 1e-4


def test_decorrelation_inside_the_loop_counts_every_noisy_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = random_network(tiny_config(), TINY).decoder.eval()
    values = {name: torch.from_numpy(value) for name, value in random_observation(TINY, 5).items()}
    batch = {name: value.expand(4, *value.shape[1:]) for name, value in values.items()}
    batch |= {name: torch.randn(4, *decoder.positions[name].shape) for name in FEATURE_NAMES}
    batch |= {"plan": torch.randn(4, 9, 24), "plan_mask": torch.ones(4, 9, 24)}
    seen: list[torch.Tensor] = []

    def counted(fused: torch.Tensor) -> torch.Tensor:
        seen.append(decorrelation_loss(fused).detach())
        return decorrelation_loss(fused)

    monkeypatch.setattr(decoder_stage, "decorrelation_loss", counted)
    weights = LossWeights(decorrelation=0.0, decorrelation_inside=0.5)
    parts = decoder_stage.losses(weights, 3, NoiseSchedule.cosine(10), decoder, batch)
    assert len(seen) == 1 + 3
    inside = torch.stack(seen[1:]).mean()
    torch.testing.assert_close(parts["total"].detach(), parts["diffusion"].detach() + 0.5 * inside)
