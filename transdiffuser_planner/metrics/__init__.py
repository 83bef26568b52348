"""PDM scores, displacement and diversity as functions of arrays. Imports core."""
