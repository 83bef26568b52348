"""Latency and throughput. Imports runtime, simulation and metrics."""
