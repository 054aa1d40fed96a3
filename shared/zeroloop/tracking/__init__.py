"""Experiments, runs and what they log: metrics, params, tags, inputs, outputs, artifacts."""
