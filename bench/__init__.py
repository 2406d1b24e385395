"""Measurements. Each holds the product against a floor that was measured in the same run; see docs/benchmarks.md."""
