"""The questions: each answers one and changes nothing."""
