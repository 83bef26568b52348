"""The view head: trained from labels, by a warm start that keeps the decoder's meaning of the tokens, exported as a graph."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")

from sample_fixtures import write_samples  # noqa: E402

from transdiffuser_planner.core.contract import TINY  # noqa: E402
from transdiffuser_planner.core.errors import ConfigError, TrainingError  # noqa: E402
from transdiffuser_planner.core.view_semantics import VIEW_UNKNOWN, ViewClass, view_spec  # noqa: E402
from transdiffuser_planner.data.samples.sample_set import SampleSet  # noqa: E402
from transdiffuser_planner.networks.decoder.denoising_decoder import DenoisingDecoder  # noqa: E402
from transdiffuser_planner.networks.losses import view_loss  # noqa: E402
from transdiffuser_planner.networks.network_config import tiny_config  # noqa: E402
from transdiffuser_planner.training.engine.devices import Devices  # noqa: E402
from transdiffuser_planner.training.engine.stage_weights import (  # noqa: E402
    StageWeights,
    finished_weights,
    save_weights,
)
from transdiffuser_planner.training.export.model_folder import random_observation  # noqa: E402
from transdiffuser_planner.training.export.onnx_graphs import write_graphs  # noqa: E402
from transdiffuser_planner.training.export.random_model import random_network  # noqa: E402
from transdiffuser_planner.training.export.view_graph import write_view  # noqa: E402
from transdiffuser_planner.training.feature_cache import perceive  # noqa: E402
from transdiffuser_planner.training.recipe import AugmentationConfig, LossWeights, StageConfig, TrainingConfig  # noqa: E402
from transdiffuser_planner.training.run import Run  # noqa: E402
from transdiffuser_planner.training.stages.encoder import EncoderStage, make_batch  # noqa: E402
from transdiffuser_planner.training.stages.kept_behavior import KeptBehavior  # noqa: E402

TINY_PLAIN = replace(TINY, codebook_size=0)
SHORT = StageConfig(epochs=0.7, batch_size=4, samples_per_scene=1)
PLAIN = TrainingConfig(action_tokens=False, encoder=SHORT, decoder=SHORT)
VIEW = replace(
    PLAIN,
    view_head=True,
    augmentation=AugmentationConfig(style=1.0, blur=0.5, noise=0.5, cutout=0.5, jpeg=0.5, drop_cameras=0.3),
    loss=LossWeights(distillation=1.0, denoising=1.0),
)
FP32 = Devices(precision="fp32")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    """Two folders of samples, one of which has labels of the view."""
    folder = tmp_path_factory.mktemp("view")
    for name in ("with", "without"):
        write_samples(folder / name, 6)
    labels = np.random.default_rng(0).integers(0, len(ViewClass), (6, *view_spec(TINY).shape[1:]))
    np.save(folder / "with" / "view_labels.npy", labels.astype(np.uint8))
    return SampleSet.open(folder, TINY)


def random_decoder(run: Run, counts: dict[str, int]) -> DenoisingDecoder:
    """An untrained decoder of a run."""
    return DenoisingDecoder(run.network, run.contract, counts)


def test_samples_without_labels_give_unknown_cells(samples: SampleSet) -> None:
    labels = samples.gather(np.asarray([0, 8]), ("view_labels",))["view_labels"]
    assert labels[0].max() < len(ViewClass) and (labels[1] == VIEW_UNKNOWN).all()
    assert samples.has("view_labels")


def test_an_encoder_with_a_view_head_continues_one_without_and_keeps_its_decoder(
    samples: SampleSet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = Run.create(tmp_path / "before", PLAIN, machine=FP32)
    before.normalizer(samples)
    counts = before.token_counts()
    parts = {"encoder": EncoderStage(tiny_config(), before.contract), "decoder": random_decoder(before, counts)}
    for stage, network in parts.items():
        save_weights(before.folder, StageWeights(tensors=network.state_dict(), stage=stage, num_steps=1))
    decoder = finished_weights(before.folder, "decoder")
    run = Run.create(tmp_path / "after", VIEW, machine=FP32)
    run.train_encoder(samples, samples, start=before.folder)
    assert "not in it: perception.view_head" in capsys.readouterr().out
    assert (run.folder / "normalizer.json").read_bytes() == (before.folder / "normalizer.json").read_bytes()
    after = finished_weights(before.folder, "decoder")
    assert all(torch.equal(value, after[name]) for name, value in decoder.items())
    assert not any(name.startswith(("teacher", "decoder")) for name in finished_weights(run.folder, "encoder"))
    assert run.perception().view_head is not None


def test_another_backbone_learns_from_the_encoder_before_it(samples: SampleSet, tmp_path: Path) -> None:
    before = Run.create(tmp_path / "before", PLAIN, machine=FP32)
    save_weights(
        before.folder,
        StageWeights(tensors=EncoderStage(tiny_config(), TINY_PLAIN).state_dict(), stage="encoder", num_steps=1),
    )
    recipe = replace(VIEW, backbone="efficientnet_lite0", loss=LossWeights(distillation=1.0))
    run = Run.create(tmp_path / "run", recipe, machine=FP32)
    network = EncoderStage(run.network, run.contract).perception
    kept = KeptBehavior.of(recipe, run.network, run.contract, network, before.folder, run.schedule)
    assert kept is not None and kept.teacher is not None and kept.decoder is None
    name = "encoder.image_branch.conv1.weight"
    assert torch.equal(
        kept.teacher.state_dict()[name], finished_weights(before.folder, "encoder")[f"perception.{name}"]
    )
    batch = make_batch(samples, run.contract, run.normalizer(samples), recipe, np.arange(2), np.random.default_rng(0))
    features, heads = perceive(network, batch, run.contract, with_view=True)
    assert heads["view_logits"].shape[1:] == view_spec(run.contract).shape
    assert float(kept.losses(recipe, features, batch)["distillation"]) > 0.0


def test_keeping_a_decoder_needs_weights_to_start_from(samples: SampleSet, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", VIEW, machine=FP32)
    with pytest.raises(ConfigError, match="--init-from"):
        run.train_encoder(samples, samples)
    with pytest.raises(TrainingError, match="expected the folder of a run"):
        run.train_encoder(samples, samples, start=tmp_path / "nothing")


def test_unknown_cells_do_not_count_in_the_loss() -> None:
    logits = torch.randn(2, len(ViewClass), 3, 4, generator=torch.Generator().manual_seed(0))
    label = torch.full((2, 3, 4), VIEW_UNKNOWN)
    weights = torch.ones(len(ViewClass))
    assert float(view_loss(logits, label, weights, VIEW_UNKNOWN)) == 0.0
    label[0, 1, 2] = ViewClass.LAMP
    expected = -logits[0, :, 1, 2].log_softmax(dim=0)[ViewClass.LAMP]
    assert float(view_loss(logits, label, weights, VIEW_UNKNOWN)) == pytest.approx(float(expected), rel=1e-5)


def test_the_exported_view_graph_equals_the_network_and_reads_the_encoders_weights(tmp_path: Path) -> None:
    network = random_network(replace(tiny_config(), view_channels=8), TINY)
    observations = [random_observation(TINY, seed) for seed in range(2)]
    encoder = write_graphs(network, tmp_path, observations[0])["encoder"]
    file, difference = write_view(network.perception, tmp_path, encoder, observations)
    assert difference < 1e-4
    assert (tmp_path / file).stat().st_size < 0.1 * (tmp_path / encoder).stat().st_size
