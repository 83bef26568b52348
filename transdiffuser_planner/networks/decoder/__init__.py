"""Denoising decoder and its per-scene condition cache. Imports core and the files of networks itself."""
