"""Unit tests compute with one thread each."""

import single_thread  # noqa: F401
from sample_fixtures import samples_folder  # noqa: F401
