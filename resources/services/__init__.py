"""The verbs of *what*: asking sites what they have, and writing it into the inventory."""
