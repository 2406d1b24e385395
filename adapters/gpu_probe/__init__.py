"""A program for a host with NVIDIA cards: says what is there, how it is, and proves that it is clean."""
