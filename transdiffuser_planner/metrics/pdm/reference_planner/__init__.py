"""PDM-Closed, whose progress is the reference. Imports metrics/pdm and its geometry."""
