"""Training samples of a drive: inputs, labels, targets. Imports data/logs and below."""
