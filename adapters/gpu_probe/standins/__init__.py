"""What the one-file probe carries in the place of packages that have compiled code."""
