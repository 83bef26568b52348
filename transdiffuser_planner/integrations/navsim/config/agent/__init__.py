"""Agents by the names that the devkit's option ``agent=`` takes."""
