"""Graphics cards of one Linux machine, lent as accounts on it that come and go by ssh."""
