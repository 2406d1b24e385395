"""Graphics cards, lent as LXD instances that have them attached."""
