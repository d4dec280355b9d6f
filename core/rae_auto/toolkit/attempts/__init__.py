"""Running a command as an executor: its output limited and without secrets, and the end of its whole tree."""

from rae_auto.toolkit.attempts.attempt_output import AttemptOutput, mask_output_file
from rae_auto.toolkit.attempts.process_attempt import ProcessAttempt, end_processes_of_run, start_process

__all__ = ["AttemptOutput", "ProcessAttempt", "end_processes_of_run", "mask_output_file", "start_process"]
