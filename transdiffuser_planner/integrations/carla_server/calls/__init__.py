"""What the server answers, call by call."""
