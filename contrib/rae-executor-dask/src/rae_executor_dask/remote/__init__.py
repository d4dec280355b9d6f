"""The part that runs on the machines of workers: the relay in the worker's process, and the keeper as its child."""
