"""Deadline, watchdog, worker thread and model replacement. Imports the rest of runtime."""
