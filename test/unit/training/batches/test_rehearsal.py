"""Batches of new and rehearsed samples: their shares, their order, and resuming."""

import numpy as np
import pytest

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.training.batches.rehearsal import RehearsedBatches

NUM_NEW, NUM_REHEARSED = 24, 1000


def make_batches(share: float = 0.25, num_new: int = NUM_NEW, num_rehearsed: int = NUM_REHEARSED) -> RehearsedBatches:
    return RehearsedBatches(
        num_new, num_rehearsed, share, 8, 3, lambda index, rng: {"index": index, "draw": rng.random()}
    )


def test_every_batch_has_the_share_of_rehearsed_samples_and_an_epoch_every_new_one() -> None:
    batches = make_batches()
    assert batches.steps_per_epoch == 4
    epoch = [batches.indices(step) for step in range(4)]
    assert all(int((index >= NUM_NEW).sum()) == 2 and len(index) == 8 for index in epoch)
    seen = np.concatenate(epoch)
    np.testing.assert_array_equal(np.sort(seen[seen < NUM_NEW]), np.arange(NUM_NEW))
    assert seen.max() < NUM_NEW + NUM_REHEARSED


def test_all_rehearsed_samples_are_drawn_in_time_whatever_the_sizes() -> None:
    for num_new, num_rehearsed in ((24, 30), (400, 5), (3, 5)):
        batches = make_batches(0.5, num_new, num_rehearsed)
        drawn = np.concatenate([batches.indices(step) for step in range(120)])
        assert set(drawn.tolist()) == set(range(num_new + num_rehearsed))
        assert all(len(batches.indices(step)) == 8 for step in range(120))


def test_a_resumed_stream_gives_the_batches_of_an_uninterrupted_one() -> None:
    whole = list(make_batches().stream(0, 9))
    for resumed, expected in zip(make_batches().stream(5, 9), whole[5:], strict=True):
        np.testing.assert_array_equal(resumed["index"], expected["index"])
        assert resumed["draw"] == expected["draw"]


def test_processes_share_both_kinds_without_overlap() -> None:
    batches = make_batches(0.5)
    shares = [batches.shard(rank, 2).indices(3) for rank in range(2)]
    np.testing.assert_array_equal(np.sort(np.concatenate(shares)), np.sort(batches.indices(3)))
    assert [int((index >= NUM_NEW).sum()) for index in shares] == [2, 2]


@pytest.mark.parametrize("share", [0.01, 0.99])
def test_a_share_without_a_place_in_the_batch_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match=f"rehearsal_share {share} of batch_size 8 .* at least one of each"):
        make_batches(share)
