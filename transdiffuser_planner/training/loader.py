"""Shuffled batches, prepared by threads while the network computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Batch = dict[str, Any]
MakeBatch = Callable[[NDArray[np.int64], np.random.Generator], Batch]

AHEAD = 6


class ShuffledBatches:
    """An endless, seeded stream of batches that can start at any step, so that a resumed run sees what it would have
    seen.

    Args:
        num_samples: Size of the set.
        batch_size: Samples per batch; the incomplete last batch of an epoch is left out.
        seed: Of the order and of the augmentation.
        make: (indices, generator) -> batch.
        num_threads: Preparing threads.
    """

    def __init__(self, num_samples: int, batch_size: int, seed: int, make: MakeBatch, num_threads: int = 1) -> None:
        self._num_samples, self._batch_size, self._seed, self._make = num_samples, batch_size, seed, make
        self._num_threads = num_threads
        self.steps_per_epoch = max(num_samples // batch_size, 1)

    def indices(self, step: int) -> NDArray[np.int64]:
        """The samples of a step."""
        epoch, position = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(self._num_samples)
        return order[position * self._batch_size : (position + 1) * self._batch_size]

    def prepare(self, step: int) -> Batch:
        """The batch of a step."""
        return self._make(self.indices(step), np.random.default_rng([self._seed, 1, step]))

    def stream(self, first_step: int, num_steps: int) -> Iterator[Batch]:
        """Batches of the steps first_step .. num_steps - 1, in order."""
        slots: list[queue.Queue[Any]] = [queue.Queue(maxsize=AHEAD) for _ in range(self._num_threads)]
        stop = threading.Event()

        def work(lane: int) -> None:
            for step in range(first_step + lane, num_steps, self._num_threads):
                try:
                    item: Any = self.prepare(step)
                except Exception as error:  # handed to the consumer, which raises it
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
