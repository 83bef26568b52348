"""Planners behind one interface: TransDiffuser, baselines and plug-ins. Imports simulation and below."""
