"""Tasks and threads that may hang without holding up anything else."""
