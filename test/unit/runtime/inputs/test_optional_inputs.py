"""Action tokens from message to model input: rejected with a reason, moved with the vehicle, masked when old."""

import dataclasses

import numpy as np
import pytest

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.core.types import ActionTokenPath, ActionTokens, EgoState
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.planning.action_codebook import ActionCodebook
from transdiffuser_planner.planning.observation.action_token_features import token_tensors
from transdiffuser_planner.runtime.inputs.snapshot_assembler import SnapshotAssembler

BOOK = ActionCodebook(segment_C3=np.asarray([[0.0, 0.0, 0.0], [2.5, 0.0, 0.0], [2.0, 0.3, 0.2]]), interval_s=0.5)
SECOND = 10**9
NOW = 100 * SECOND


def _tokens(**changes: object) -> ActionTokens:
    good = ActionTokens(stamp_ns=NOW, token_S=np.asarray([1, 1, 2, 2]), horizon_s=2.0, codebook_hash=BOOK.digest)
    return dataclasses.replace(good, **changes)


def _ego(stamp_ns: int) -> EgoState:
    return EgoState(stamp_ns=stamp_ns, frame_id="map", x_m=5.0 * stamp_ns * 1e-9, y_m=3.0, heading_rad=0.0, vx_mps=5.0)


def _assembler(codebook: ActionCodebook | None = BOOK) -> SnapshotAssembler:
    assembler = SnapshotAssembler(Rig.load(RIGS / "carla.yaml"), PlannerConfig())
    assembler.codebook = codebook
    assert assembler.add_odometry(_ego(NOW)) is None
    return assembler


def test_tokens_of_the_models_codebook_are_accepted() -> None:
    assert _assembler().add_action_tokens(_tokens()) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"codebook_hash": "0123456789abcdef" * 4},
            "made with codebook 0123456789ab, the model's is " + BOOK.digest[:12],
        ),
        ({"codebook_hash": ""}, "made with codebook none"),
        ({"token_S": np.asarray([1, 3])}, "horizon_s is"),
        ({"token_S": np.asarray([1, 3]), "horizon_s": 1.0}, "action token 3 is out of range (0 .. 2)"),
        ({"horizon_s": 4.0}, "4 tokens reach 2 s, horizon_s is 4 s"),
        ({"stamp_ns": NOW - 3 * SECOND}, "3.00 s old (limit 2.0 s)"),
        ({"stamp_ns": NOW + 3 * SECOND}, "3.00 s ahead of the odometry"),
    ],
)
def test_other_tokens_are_refused_with_the_reason(changes: dict[str, object], reason: str) -> None:
    refused = _assembler().add_action_tokens(_tokens(**changes))
    assert refused is not None and reason in refused


def test_a_model_without_tokens_rejects_them_with_the_reason() -> None:
    assert _assembler(None).add_action_tokens(_tokens()) == "action tokens: the model takes none"


def _model_inputs(elapsed_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of the model a given time after the path was published, the vehicle following it at 5 m/s."""
    path = ActionTokenPath(stamp_ns=NOW, pose_S3=BOOK.decode(np.asarray([1, 1, 1, 1])), interval_s=0.5)
    history = [_ego(NOW + int(step * 0.1 * SECOND)) for step in range(round(elapsed_s * 10) + 1)]
    return token_tensors(path, history[-1], history, TINY)


@pytest.mark.parametrize(("elapsed_s", "left"), [(0.0, 4), (0.5, 3), (0.7, 2), (2.0, 0)])
def test_the_executed_part_of_the_path_is_dropped(elapsed_s: float, left: int) -> None:
    segments, valid = _model_inputs(elapsed_s)
    assert valid.sum() == left and (valid[:left] == 1.0).all()
    np.testing.assert_allclose(segments[:left], np.tile([2.5, 0.0, 0.0], (left, 1)), atol=1e-5)
    assert not segments[left:].any()


def test_a_vehicle_off_the_path_gets_segments_back_to_it() -> None:
    path = ActionTokenPath(stamp_ns=NOW, pose_S3=BOOK.decode(np.asarray([1, 1, 1, 1])), interval_s=0.5)
    history = [_ego(NOW), dataclasses.replace(_ego(NOW + SECOND // 2), y_m=3.5)]
    segments, valid = token_tensors(path, history[-1], history, TINY)
    assert valid.sum() == 3
    np.testing.assert_allclose(segments[0], [2.5, -0.5, 0.0], atol=1e-5)


def test_a_path_from_before_the_history_counts_as_absent() -> None:
    path = ActionTokenPath(stamp_ns=NOW - SECOND, pose_S3=BOOK.decode(np.asarray([1, 1])), interval_s=0.5)
    segments, valid = token_tensors(path, _ego(NOW), [_ego(NOW)], TINY)
    assert not segments.any() and not valid.any()
