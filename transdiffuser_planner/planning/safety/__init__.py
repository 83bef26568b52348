"""Which plans are valid, and what is published when none is. Imports core and planning/trajectory."""
