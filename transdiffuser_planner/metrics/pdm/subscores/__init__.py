"""One sub-score a file. Imports metrics/pdm and its geometry."""
