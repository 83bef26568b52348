"""The vocabulary of action tokens: encode and decode, its name, and what it refuses."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.errors import ContractError
from transdiffuser_planner.planning.action_codebook import ActionCodebook, integrate_segments, segments_between

GRID = np.stack(np.meshgrid(np.arange(0.0, 8.1, 0.5), np.linspace(-0.5, 0.5, 5), np.linspace(-0.4, 0.4, 3)), axis=-1)
BOOK = ActionCodebook(segment_C3=GRID.reshape(-1, 3), interval_s=0.5)


@given(st.lists(st.integers(0, len(BOOK) - 1), min_size=8, max_size=8))
def test_the_path_of_tokens_is_encoded_into_tokens_with_that_path(tokens: list[int]) -> None:
    plan_T3 = BOOK.decode(np.asarray(tokens))
    again_T3 = BOOK.decode(BOOK.encode(plan_T3[None])[0])
    np.testing.assert_allclose(again_T3, plan_T3, atol=1e-6)


def test_segments_are_the_motion_in_the_frame_before() -> None:
    half_turn = np.asarray([[1.0, 0.0, np.pi], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(integrate_segments(half_turn), [[1.0, 0.0, np.pi], [0.0, 0.0, np.pi]], atol=1e-12)
    poses = np.concatenate([np.zeros((1, 3)), integrate_segments(half_turn)])
    np.testing.assert_allclose(segments_between(poses), half_turn, atol=1e-12)


def test_errors_do_not_add_up_along_the_path() -> None:
    """Steps of 1.2 m lie between tokens of 1.0 and 1.5 m: the chain corrects itself instead of drifting."""
    time = 0.5 * np.arange(1, 9)
    plan_T3 = np.stack([2.4 * time, np.zeros(8), np.zeros(8)], axis=-1)
    gap = np.abs(BOOK.decode(BOOK.encode(plan_T3[None])[0]) - plan_T3)[:, 0]
    assert gap.max() <= 0.25 + 1e-9


def test_its_name_follows_from_its_content_alone() -> None:
    again = ActionCodebook.from_json(BOOK.to_json())
    other = ActionCodebook(segment_C3=1.000001 * BOOK.segment_C3, interval_s=0.5)
    assert again.digest == BOOK.digest and other.digest != BOOK.digest
    slower = ActionCodebook(segment_C3=BOOK.segment_C3, interval_s=0.25)
    assert slower.digest != BOOK.digest


def test_an_altered_file_is_refused() -> None:
    data = BOOK.to_json()
    data["segments"][3][0] += 0.1
    with pytest.raises(ContractError, match="its digest is"):
        ActionCodebook.from_json(data)
    with pytest.raises(ContractError, match="KeyError"):
        ActionCodebook.from_json({"interval_s": 0.5})


def test_size_and_interval_that_disagree_with_the_contract_are_named() -> None:
    with pytest.raises(ContractError, match=f"has {len(BOOK)} tokens, the contract has 256"):
        BOOK.check(TINY)
    slow = dataclasses.replace(TINY, codebook_size=len(BOOK), plan_interval_s=0.4)
    with pytest.raises(ContractError, match=r"last 0\.5 s, the contract's plan steps 0\.4 s"):
        BOOK.check(slow)


@pytest.mark.parametrize("token", [-1, len(BOOK)])
def test_a_token_out_of_range_is_named(token: int) -> None:
    with pytest.raises(ContractError, match=f"action token {token} is out of range"):
        BOOK.decode(np.asarray([0, token]))


@pytest.mark.parametrize("segments", [np.zeros(3), np.zeros((4, 2)), np.full((4, 3), np.nan)])
def test_segments_must_be_finite_triples(segments: np.ndarray) -> None:
    with pytest.raises(ContractError, match="expected finite segments"):
        ActionCodebook(segment_C3=segments, interval_s=0.5)
