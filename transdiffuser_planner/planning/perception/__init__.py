"""From encoder outputs to tracked agents. Imports core."""
