"""Plans compared with recorded drives. Imports data, metrics, runtime and planners."""
