"""The verbs: the only writers. All doors call the same ones."""
