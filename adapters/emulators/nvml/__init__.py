"""A machine with NVIDIA cards that has none: a stand-in for libnvidia-ml.so.1, driven by a file."""
