"""The names by which a viewer starts a worker, separate from the worker's imports."""

MODULE = "rae_auto.offline.trial.worker"

FOLDER = "RAE_TRIAL_FOLDER"
"""The variable with the folder of a worker."""
