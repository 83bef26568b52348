"""Learning from a table of scored plans. Imports networks, data and the rest of training but stages and export."""
