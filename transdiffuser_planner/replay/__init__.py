"""A recorded drive as a regression test of the planner. Imports data, runtime and below."""
