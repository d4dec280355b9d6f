"""Why a job ran, did not run, or waits: one collector, one tree of checks, one sentence."""
