"""P4-programmable switches that speak P4Runtime: one lease has the whole switch."""
