"""Report of a closed-loop suite. Imports core."""
