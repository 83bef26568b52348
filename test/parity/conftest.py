"""Parity tests compute with one thread each and share the drawn samples of the unit tests."""

import single_thread  # noqa: F401
from sample_fixtures import samples_folder  # noqa: F401
