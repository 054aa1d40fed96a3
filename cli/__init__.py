"""The operator's command `zeroloop`. Runs on a laptop or a CI runner, never on AWS."""
