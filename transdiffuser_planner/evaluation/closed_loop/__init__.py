"""Suites of closed-loop scenarios: jobs, rows, statistics. Imports planners, simulation and reports."""
