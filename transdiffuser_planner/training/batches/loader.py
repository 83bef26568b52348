"""Shuffled batches, prepared by threads during the network's computation."""

from __future__ import annotations

import copy
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.errors import ConfigError

Batch = dict[str, Any]
MakeBatch = Callable[[NDArray[np.int64], np.random.Generator], Batch]

AHEAD = 6


class ShuffledBatches:
    """Endless, seeded stream of batches that can start at any step, so that a resumed run gets the same batches.

    Args:
        num_samples: Size of the set.
        batch_size: Samples per batch; the incomplete last batch of an epoch is skipped.
        seed: Seed of order and augmentation.
        make: (indices, generator) -> batch.
        num_threads: Threads that prepare batches.
    """

    def __init__(self, num_samples: int, batch_size: int, seed: int, make: MakeBatch, num_threads: int = 1) -> None:
        self._num_samples, self._batch_size, self._make, self._num_threads = num_samples, batch_size, make, num_threads
        self._rank, self._num_shards = 0, 1
        self.seed = seed
        self.steps_per_epoch = max(num_samples // batch_size, 1)

    def shard(self, rank: int, num_shards: int) -> ShuffledBatches:
        """Select one process's equal part of every batch.

        Args:
            rank: Index of the process.
            num_shards: Number of processes.

        Raises:
            ConfigError: The batch size is no multiple of num_shards.
        """
        if self._batch_size % num_shards:
            raise ConfigError(f"recipe: batch_size {self._batch_size} is no multiple of the {num_shards} devices")
        part = copy.copy(self)
        part._rank, part._num_shards = rank, num_shards
        return part

    def indices(self, step: int) -> NDArray[np.int64]:
        """Indices of the samples of a step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self.seed, epoch]).permutation(self._num_samples)
        whole = order[position * self._batch_size : (position + 1) * self._batch_size]
        return whole[self._rank :: self._num_shards]

    def prepare(self, step: int) -> Batch:
        """Prepare the batch of a step."""
        return self._make(self.indices(step), np.random.default_rng([self.seed, 1, step, self._rank]))

    def stream(self, first_step: int, num_steps: int) -> Iterator[Batch]:
        """Prepare the batches of a range of steps.

        Args:
            first_step: First step.
            num_steps: Step after the last one.

        Yields:
            Batches in order.
        """
        slots: list[queue.Queue[Any]] = [queue.Queue(maxsize=AHEAD) for _ in range(self._num_threads)]
        stop = threading.Event()

        def work(lane: int) -> None:
            for step in range(first_step + lane, num_steps, self._num_threads):
                try:
                    item: Any = self.prepare(step)
                except Exception as error:  # raised by the consumer
                    item = error
                while not stop.is_set():
                    try:
                        slots[lane].put(item, timeout=0.5)
                        break
                    except queue.Full:
                        continue
                if stop.is_set() or isinstance(item, Exception):
                    return

        threads = [threading.Thread(target=work, args=(lane,), daemon=True) for lane in range(self._num_threads)]
        for thread in threads:
            thread.start()
        try:
            for step in range(first_step, num_steps):
                item = slots[(step - first_step) % self._num_threads].get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            stop.set()


class StepStream:
    """All batches of a stage in one pass for Lightning: of known length and resumable at any step.

    Args:
        batches: The batches.
        num_steps: Steps of the stage.
    """

    def __init__(self, batches: ShuffledBatches, num_steps: int) -> None:
        self._batches, self._num_steps, self._next = batches, num_steps, 0

    def __len__(self) -> int:
        return self._num_steps

    def __iter__(self) -> Iterator[Batch]:
        for batch in self._batches.stream(self._next, self._num_steps):
            self._next += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """State of the stream for the checkpoint."""
        return {"next_step": self._next}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Restore the state of ``state_dict``."""
        self._next = state["next_step"]
