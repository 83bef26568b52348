"""Denoising decoder and what is computed once per scene for it. Imports core and the files of networks itself."""
