"""Parts of the command `benchmark`."""
