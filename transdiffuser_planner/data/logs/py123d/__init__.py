"""Logs of py123d's Arrow layout, into which it converts most data sets. Imports data/logs."""
