"""Agents for the NAVSIM devkit, v1.1 and v2. Imports data, runtime and below; training and torch for agents that it trains."""
