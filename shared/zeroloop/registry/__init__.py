"""Models, their write-once versions, and the lineup that says which of them serve."""
