"""Candidates of recorded samples and their scores. Imports data/samples, data/scenes and below."""
