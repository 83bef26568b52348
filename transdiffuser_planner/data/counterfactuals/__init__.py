"""Other maneuvers that the road allowed. Imports data/logs and below."""
