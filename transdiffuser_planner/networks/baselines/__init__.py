"""Trained baselines: regression head, ego-status MLP. Imports core and the files of networks itself."""
