"""Rehearsal, or experience replay: samples of what a network already knows in every batch of what it is fine-tuned on.

Training on new samples alone overwrites what the earlier ones taught (catastrophic forgetting). Robins 1995: Catastrophic
forgetting, rehearsal and pseudorehearsal; Rolnick et al. 2019: Experience replay for continual learning.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.training.batches.loader import MakeBatch, ShuffledBatches


class RehearsedBatches(ShuffledBatches):
    """Batches of two sets in one index: new samples first, then the rehearsed ones.

    An epoch is one pass over the new samples, in random order without replacement. The rehearsed samples of a step are drawn
    uniformly with replacement from their whole set, so sets of any two sizes go together. Both follow from seed and step
    alone: a resumed run gets the same batches.

    Args:
        num_new: Number of new samples; their indices are 0 to num_new - 1.
        num_rehearsed: Number of rehearsed samples; their indices follow.
        share: Share of rehearsed samples in a batch.
        batch_size: Samples per batch.
        seed: Seed of order, draws and augmentation.
        make: (indices, generator) -> batch.

    Raises:
        ConfigError: The share leaves no place in a batch for one of the sets.
    """

    def __init__(
        self, num_new: int, num_rehearsed: int, share: float, batch_size: int, seed: int, make: MakeBatch
    ) -> None:
        self._num_drawn = round(share * batch_size)
        self._num_own = batch_size - self._num_drawn
        if self._num_drawn < 1 or self._num_own < 1:
            raise ConfigError(
                f"recipe: rehearsal_share {share} of batch_size {batch_size} is {self._num_drawn} samples per batch; "
                "expected at least one of each set"
            )
        super().__init__(num_new + num_rehearsed, batch_size, seed, make)
        self._num_new, self._num_rehearsed = num_new, num_rehearsed
        self.steps_per_epoch = max(num_new // self._num_own, 1)

    def indices(self, step: int) -> NDArray[np.int64]:
        """Indices of the samples of a step; a set smaller than its part of the batch is repeated."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(self._num_new)
        order = np.resize(order, max(self._num_new, self._num_own))
        new = order[position * self._num_own : (position + 1) * self._num_own]
        drawn = np.random.default_rng([self.seed, 2, step]).integers(self._num_rehearsed, size=self._num_drawn)
        whole = np.concatenate([new, self._num_new + drawn])
        return whole[self._rank :: self._num_shards]
