"""MLflow's REST API on the wire: requests read, answers and errors written, searches parsed. Pure."""
