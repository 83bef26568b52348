"""PyTorch architecture only: no files, no training loop. Sizes come from NetworkConfig and the model contract."""
