"""Graphics cards and nodes of a Slurm cluster, lent as reservations."""
