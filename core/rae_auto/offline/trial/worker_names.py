"""The names by which a viewer starts a worker, apart from what a worker imports."""

MODULE = "rae_auto.offline.trial.worker"

FOLDER = "RAE_TRIAL_FOLDER"
"""The variable with the folder of a worker."""
