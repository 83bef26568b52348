"""What each training stage optimizes. Imports networks, data and the rest of training but export."""
