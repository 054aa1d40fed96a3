"""The operator's command `zeroloop`."""
