"""Real daemons of this machine, started for the tests and ended after them."""
