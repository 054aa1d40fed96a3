"""A/B tests: assign, record, analyse, decide, and act on the lineup."""
