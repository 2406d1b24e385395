"""The REST door to *who*: oneself, keys and tokens."""
