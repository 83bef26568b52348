"""Suites of driven scenarios: jobs, rows, statistics. Imports planners, simulation and reports."""
