"""Noise schedule, sampling, guidance and the model's space. Imports core."""
