"""Signing in with a home organisation: who vouches, what they say, and what it gives here."""
