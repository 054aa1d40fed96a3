"""MLflow's words and ours: what its clients write, and what they read."""
