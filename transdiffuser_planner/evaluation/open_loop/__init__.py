"""Open-loop metrics of plans against logged drives. Imports data, metrics, runtime and planners."""
