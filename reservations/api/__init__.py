"""The REST door to *when*: it translates, calls one service, and translates back."""
