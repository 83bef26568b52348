"""Fine-tuning rounds on a model's own failures in closed loop. Imports closed_loop, planners, simulation and data."""
