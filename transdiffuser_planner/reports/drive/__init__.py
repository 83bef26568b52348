"""Report of a recorded drive. Imports data, messages and below."""
