"""The model card, written from the manifest and measured results. Imports the rest of evaluation."""
