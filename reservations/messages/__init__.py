"""What the portal writes to people: which kinds there are, their words, and the calendar entry that comes along."""
