"""Unit tests compute with one thread each."""

import single_thread  # noqa: F401
