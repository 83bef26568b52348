"""PDM score (v1.1) and extended PDM score, as NAVSIM computes them. Imports core."""
