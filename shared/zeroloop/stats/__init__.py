"""Statistics on counts, sums and sketches: pure functions. What can't be computed is `Undetermined`, never a number."""
