"""Runs the first part of a pipeline in a thread of its own, a few items ahead of the second."""

from __future__ import annotations

import threading
from collections.abc import Generator
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")


class _End:
    """End of the items, and the error that ended them."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def read_ahead(items: Generator[Item, None, None], num_ahead: int) -> Generator[Item, None, None]:
    """Yield the items of a generator that runs ahead in another thread, in order; its errors are raised here.

    Args:
        items: The generator; closed in its thread when the reader ends early.
        num_ahead: Items that may wait for the reader.

    Yields:
        Its items.
    """
    room, ready, is_left = threading.Semaphore(num_ahead), SimpleQueue[Item | _End](), threading.Event()

    def run() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                room.acquire()
                if is_left.is_set():
                    break
                ready.put(item)
            items.close()
        except BaseException as raised:  # the reader's thread raises it
            error = raised
        ready.put(_End(error))

    thread = threading.Thread(target=run, name="read ahead", daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            room.release()
            yield item
    finally:
        is_left.set()
        room.release()
        thread.join()
