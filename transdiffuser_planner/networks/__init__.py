"""PyTorch architecture. Imports core; the only folder besides training that imports torch."""
