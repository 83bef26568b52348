"""Commands on recorded drives: replay, report, import."""
