"""How the cost of planning, scoring and training grows. Imports its sibling benchmarks."""
