"""Pass or fail: conditions, golden plans, baselines. Imports replay/metrics."""
