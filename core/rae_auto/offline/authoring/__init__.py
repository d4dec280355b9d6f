"""The author's side of plugins: a new project, its inspection, a trial, its grade, and its installation."""
