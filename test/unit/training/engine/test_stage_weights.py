"""Weights on disk: files of a stage, rejected files, published weights."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from safetensors import safe_open  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from transdiffuser_planner.core.contract import CONTRACT_VERSION, TINY  # noqa: E402
from transdiffuser_planner.core.errors import TrainingError  # noqa: E402
from transdiffuser_planner.networks.encoder.scene_encoder import SceneEncoder  # noqa: E402
from transdiffuser_planner.networks.network_config import tiny_config  # noqa: E402
from transdiffuser_planner.training.engine import stage_weights  # noqa: E402
from transdiffuser_planner.training.engine.lightning_module import StageModule  # noqa: E402
from transdiffuser_planner.training.engine.pretrained import Pretrained  # noqa: E402

NAVSIM = "agent._transfuser_model._backbone.{}_encoder."
CARLA = {"image": "module._model.image_encoder.features.", "lidar": "module._model.lidar_encoder._model."}


def published(encoder: SceneEncoder, image: str, lidar: str | None) -> dict[str, "torch.Tensor"]:
    """Another encoder's branches under published names, with tensors of neither."""
    tensors = {image + name: value.clone() for name, value in encoder.image_branch.state_dict().items()}
    if lidar is not None:
        tensors |= {lidar + name: value.clone() for name, value in encoder.lidar_branch.state_dict().items()}
    return tensors | {"fc.weight": torch.zeros(3, 4), "agent.head.bias": torch.zeros(3)}


def make_encoder(seed: int) -> SceneEncoder:
    torch.manual_seed(seed)
    return SceneEncoder(tiny_config(), TINY)


def test_weights_state_their_origin_and_can_be_loaded(tmp_path: Path) -> None:
    tensor = torch.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last)
    path = stage_weights.save_weights(
        tmp_path, stage_weights.StageWeights(tensors={"a": tensor}, stage="encoder", num_steps=7)
    )
    with safe_open(path, framework="pt") as file:
        about = file.metadata()
    assert about == {"stage": "encoder", "contract_version": str(CONTRACT_VERSION), "num_steps": "7"}
    back = stage_weights.load_weights(tmp_path, "encoder")
    assert back.num_steps == 7 and torch.equal(back.tensors["a"], tensor)


def test_another_contract_version_is_refused_with_both_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_weights.StageWeights(tensors={"a": torch.zeros(1)}, stage="encoder", num_steps=7)
    monkeypatch.setattr(stage_weights, "CONTRACT_VERSION", 99)
    stage_weights.save_weights(tmp_path, stage)
    monkeypatch.undo()
    both = rf"contract version 99, this program has version {CONTRACT_VERSION}"
    with pytest.raises(TrainingError, match=both):
        stage_weights.finished_weights(tmp_path, "encoder")
    module = StageModule.__new__(StageModule)
    torch.nn.Module.__init__(module)
    module._path, module._num_steps = tmp_path / "encoder.ckpt", 7
    with pytest.raises(TrainingError, match=both):
        module.on_load_checkpoint({stage_weights.PROGRESS: {"contract_version": 99, "num_steps": 7}})


def test_damaged_and_foreign_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="is not there; train it first"):
        stage_weights.finished_weights(tmp_path, "encoder")
    stage = stage_weights.StageWeights(tensors={"a": torch.zeros(1)}, stage="decoder", num_steps=7)
    stage_weights.save_weights(tmp_path, stage).rename(tmp_path / "encoder.safetensors")
    with pytest.raises(TrainingError, match="are of stage 'decoder', expected 'encoder'"):
        stage_weights.finished_weights(tmp_path, "encoder")
    (tmp_path / "encoder.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(TrainingError, match="cannot be read"):
        stage_weights.finished_weights(tmp_path, "encoder")


@pytest.mark.parametrize(
    ("image", "lidar", "suffix"),
    [
        ("", None, ".pth"),
        (NAVSIM.format("image"), NAVSIM.format("lidar"), ".safetensors"),
        (CARLA["image"], CARLA["lidar"], ".pth"),
        ("perception.encoder.image_branch.", "perception.encoder.lidar_branch.", ".safetensors"),
    ],
)
def test_published_names_fill_the_branches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], image: str, lidar: str | None, suffix: str
) -> None:
    source, encoder, path = make_encoder(1), make_encoder(2), tmp_path / f"published{suffix}"
    tensors = published(source, image, lidar)
    save_file(tensors, path) if suffix == ".safetensors" else torch.save({"state_dict": tensors}, path)
    fresh = encoder.lidar_branch.conv1.weight.clone()
    counts = Pretrained(path=path).load_into(encoder)
    assert counts["image"][0] == counts["image"][1] > 0
    assert f"image branch: {counts['image'][0]} of {counts['image'][1]} tensors" in capsys.readouterr().out
    assert torch.equal(encoder.image_branch.layer3[0].conv1.weight, source.image_branch.layer3[0].conv1.weight)
    expected = fresh if lidar is None else source.lidar_branch.conv1.weight
    assert torch.equal(encoder.lidar_branch.conv1.weight, expected)


def test_a_shape_that_does_not_fit_is_refused_with_both_shapes(tmp_path: Path) -> None:
    source, encoder, path = make_encoder(1), make_encoder(2), tmp_path / "published.safetensors"
    tensors = published(source, NAVSIM.format("image"), NAVSIM.format("lidar"))
    name = NAVSIM.format("lidar") + "conv1.weight"
    tensors[name] = tensors[name][:, :1].contiguous()
    save_file(tensors, path)
    theirs, ours = (str(tuple(x.shape)) for x in (tensors[name], encoder.lidar_branch.conv1.weight))
    with pytest.raises(TrainingError) as refused:
        Pretrained(path=path).load_into(encoder)
    assert theirs in str(refused.value) and ours in str(refused.value)
    assert Pretrained(path=path, branches=("image",)).load_into(encoder)["image"][0] > 0


def test_a_file_with_code_in_it_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "foreign.pth"
    torch.save({"state_dict": {}, "config": Pretrained(path=path)}, path)
    with pytest.raises(TrainingError, match="contains more than tensors"):
        Pretrained(path=path).load_into(make_encoder(0))
    save_file({"fc.weight": torch.zeros(2)}, tmp_path / "none.safetensors")
    with pytest.raises(TrainingError, match="no weights of these networks"):
        Pretrained(path=tmp_path / "none.safetensors").load_into(make_encoder(0))


def test_weights_of_another_network_are_rejected_in_one_line(tmp_path: Path) -> None:
    smaller, larger = torch.nn.Linear(2, 2, bias=False), torch.nn.Linear(2, 2)
    with pytest.raises(TrainingError, match=r"of another network .*bias.* train the stage again") as refused:
        stage_weights.load_into(larger, smaller.state_dict(), tmp_path)
    assert "\n" not in str(refused.value)
    stage_weights.load_into(
        larger, {name: torch.ones_like(value) for name, value in larger.state_dict().items()}, tmp_path
    )
    assert bool((larger.weight == 1.0).all())
