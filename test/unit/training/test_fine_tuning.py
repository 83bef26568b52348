"""Fine-tuning on a fleet's own samples: from a model folder, with rehearsed samples of another vehicle."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_lightning")

from sample_fixtures import write_samples  # noqa: E402

from transdiffuser_planner.cli.main import main  # noqa: E402
from transdiffuser_planner.core.contract import TINY  # noqa: E402
from transdiffuser_planner.core.errors import ConfigError, TrainingError  # noqa: E402
from transdiffuser_planner.core.vehicle import EGO_VEHICLE  # noqa: E402
from transdiffuser_planner.data.samples.sample_set import SampleSet  # noqa: E402
from transdiffuser_planner.params import RECIPES  # noqa: E402
from transdiffuser_planner.runtime.inference.manifest import MANIFEST_NAME  # noqa: E402
from transdiffuser_planner.training.engine.devices import Devices  # noqa: E402
from transdiffuser_planner.training.engine.stage_weights import finished_weights, starting_weights  # noqa: E402
from transdiffuser_planner.training.export.run_export import write_weights  # noqa: E402
from transdiffuser_planner.training.recipe import AugmentationConfig, StageConfig, TrainingConfig  # noqa: E402
from transdiffuser_planner.training.run import Run  # noqa: E402

FP32 = Devices(precision="fp32")
SHORT = StageConfig(epochs=0.2, batch_size=4, samples_per_scene=2)
OWN = replace(TrainingConfig.load(RECIPES / "own_bags.yaml"), encoder=SHORT, decoder=SHORT)
PLAIN = TrainingConfig(encoder=SHORT, decoder=SHORT, augmentation=AugmentationConfig(counterfactual_share=0.0))


@pytest.fixture(scope="module")
def simulated(samples_folder: Path) -> SampleSet:
    """Samples with labels."""
    return SampleSet.open(samples_folder / "train", TINY)


@pytest.fixture(scope="module")
def held_out(samples_folder: Path) -> SampleSet:
    """A few others of these."""
    return SampleSet.open(samples_folder / "validation", TINY)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> SampleSet:
    """Samples of a longer vehicle, without labels of agents, map and signals."""
    folder = tmp_path_factory.mktemp("own") / "drive"
    write_samples(folder, 12)
    for name in ("gt_agents_known", "gt_agents_valid", "bev_valid", "signal_label_valid"):
        np.save(folder / f"{name}.npy", np.zeros_like(np.load(folder / f"{name}.npy")))
    vehicle = replace(EGO_VEHICLE, length_m=EGO_VEHICLE.length_m + 1.0)
    (folder / "meta.json").write_text(f'{{"vehicle": {json.dumps(vehicle.to_dict())}}}', encoding="utf-8")
    return SampleSet.open(folder, TINY)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, simulated: SampleSet, held_out: SampleSet) -> Path:
    """What fine-tuning reads of a model folder that was exported with its weights."""
    run = Run.create(tmp_path_factory.mktemp("run") / "simulated", PLAIN, machine=FP32)
    run.train_encoder(simulated, held_out)
    run.train_decoder(simulated, held_out)
    folder = run.folder.parent / "model"
    write_weights(run, run.planner_network(), folder / "weights")
    (folder / MANIFEST_NAME).write_text("{}", encoding="utf-8")
    for name in ("normalizer.json", "action_codebook.json"):
        (folder / name).write_bytes((run.folder / name).read_bytes())
    for stage in ("encoder", "decoder"):
        for name, value in finished_weights(run.folder, stage).items():
            if name.startswith("regression."):
                continue
            stored = starting_weights(folder, stage)[name]
            halved = value.half().float() if value.ndim > 1 and value.dtype == torch.float32 else value
            assert torch.equal(stored, halved), name
    return folder


def test_both_stages_start_from_a_model_folder_and_rehearse_samples_of_another_vehicle(
    own: SampleSet, simulated: SampleSet, held_out: SampleSet, model: Path, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "own", OWN, machine=FP32)
    run.train_encoder(own, held_out, start=model, rehearsed=simulated)
    run.train_decoder(own, held_out, start=model, rehearsed=simulated)
    assert run.vehicle == own.vehicle != simulated.vehicle
    assert run.normalizer().to_json() == Run.open(model.parent / "simulated").normalizer().to_json()
    for stage in ("encoder", "decoder"):
        before, after = starting_weights(model, stage), finished_weights(run.folder, stage)
        assert any(not torch.equal(value, after[name]) for name, value in before.items()), stage
    before, after = starting_weights(model, "encoder"), finished_weights(run.folder, "encoder")
    norms = [name for name in before if name.endswith(("running_mean", "running_var"))]
    assert norms and all(torch.equal(before[name], after[name]) for name in norms)
    caches = [run.folder / "features" / name / "image_tokens.npy" for name in ("train", "rehearsed")]
    assert [len(np.load(path, mmap_mode="r")) for path in caches] == [len(own), len(simulated)]


def test_a_model_folder_without_weights_is_refused_with_what_is_missing(model: Path, tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text("{}", encoding="utf-8")
    with pytest.raises(
        TrainingError, match=r"without weights/decoder.safetensors.*export that run again with --weights"
    ):
        starting_weights(tmp_path, "decoder")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rehearse", "S", "--stage", "joint"], "--rehearse goes with --stage encoder or --stage decoder"),
        (["--rehearsal-share", "0.5", "--stage", "encoder"], "--rehearsal-share goes with --rehearse"),
        (["--rehearse", "S", "--rehearsal-share", "1", "--stage", "encoder"], "expected above 0 and below 1"),
    ],
)
def test_wrong_options_are_refused_in_one_line(
    options: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--samples", str(tmp_path), "--validation", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(["train", *common, *options]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_a_share_outside_of_0_and_1_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"rehearsal_share 0\.0: expected above 0 and below 1"):
        replace(OWN, rehearsal_share=0.0)
