"""The page of a model, from its manifest and measured results. Imports the rest of evaluation."""
