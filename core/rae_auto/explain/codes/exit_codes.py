"""The exit codes of `rae-auto`, explained."""

from rae_auto.explain.codes.entry import CodeEntry, CodeSet
from rae_auto.model.primitives.formatting import describe_signal

_TEXTS = {
    "0": ("The command did what it was asked to do.", "Nothing to do."),
    "1": (
        "The command was refused or failed: no such job, a policy that forbids the start, a store that can't be read. "
        "'simulate', 'doctor' and 'exec' end so if they found problems or the job failed.",
        "The message names the remedy. With --json, its kind is a code of 'rae-auto explain'.",
    ),
    "2": (
        "The command line or the configuration has an error; nothing was done. 'check' ends so too, and with --strict "
        "also for warnings.",
        "'rae-auto COMMAND --help' shows the options, 'rae-auto check' all errors of the configuration.",
    ),
    "3": (
        "No daemon answers for this configuration.",
        "'rae-auto run' starts one, 'rae-auto service status' says what became of the service. --config FILE or "
        "RAE_CONFIG chooses another configuration.",
    ),
    "130": ("Ctrl-C ended the command.", "Nothing to do."),
    "health 0": ("OK: all is well, for monitoring tools.", "Nothing to do."),
    "health 1": ("WARNING: something needs attention soon.", "The line of 'rae-auto health' names it."),
    "health 2": (
        "CRITICAL: no daemon is running, it doesn't answer, or something is wrong now.",
        "The line of 'rae-auto health' names it; 'rae-auto doctor' says what to do.",
    ),
    "health 3": (
        "UNKNOWN: it can't be known, for instance because there is no such configuration.",
        "Check the path after --config.",
    ),
    "job 126": (
        "A shell found the program of a job, and may not run it.",
        "Make it executable with 'chmod +x FILE', and check its first line; it may be a folder.",
    ),
    "job 127": (
        "A shell did not find a program that a job names, mostly because the PATH of the daemon is shorter than yours.",
        "Write the whole path, or set PATH in env; 'rae-auto exec JOB' runs it in the same environment.",
    ),
    "job 137": (
        "SIGKILL ended a program of a job: the kernel if memory was short, or a limit, or 'kill -9'.",
        "Look for 'out of memory' in the system's log, and at the limits of the job; 'rae-auto why JOB' names them.",
    ),
    "job 139": (
        "SIGSEGV ended a program of a job: it has an error in its use of memory.",
        "Report it to the author of the program.",
    ),
    "job 143": (
        "SIGTERM asked a program of a job to end: a timeout, a cancellation, a shutdown, or 'kill'.",
        "'rae-auto why JOB' says which of them it was.",
    ),
}

_HINT = "Look into its manual, and with 'rae-auto output JOB' at what it printed. success_codes makes it a success."
_FIRST_SIGNAL, _LAST_SIGNAL, _LAST_CODE = 129, 192, 255


def exit_code_entries() -> list[CodeEntry]:
    """Return the entries of all exit codes; those of `rae-auto health` and of jobs have a word before."""
    return [CodeEntry(code, CodeSet.EXIT_CODE, *texts) for code, texts in _TEXTS.items()]


def find_job_code(text: str) -> CodeEntry | None:
    """Return an entry for the exit code of a job that has none of its own; None if no program can end with it."""
    number = int(text)
    if number > _LAST_CODE:
        return None
    cause = "The command of a job ended with this code, which means what its program says."
    if _FIRST_SIGNAL <= number <= _LAST_SIGNAL:
        name = describe_signal(number - 128)
        cause = (
            f"A shell returns 128 + {number - 128} if {name} ended its program; else it means what the program says."
        )
    return CodeEntry(f"job {number}", CodeSet.EXIT_CODE, cause, _HINT, is_listed=False)
