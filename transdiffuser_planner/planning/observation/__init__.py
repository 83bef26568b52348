"""From a snapshot to the tensors the encoder reads. Imports core and the action codebook."""
