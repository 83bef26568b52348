"""PDM scores of scene files. Imports metrics and data."""
