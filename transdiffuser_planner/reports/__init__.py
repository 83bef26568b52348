"""Plain values to one self-contained HTML page. Imports data, messages and below."""
