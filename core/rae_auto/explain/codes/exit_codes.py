"""The exit codes of `rae-auto`, explained."""

from rae_auto.explain.codes.entry import CodeEntry, CodeSet

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
}


def exit_code_entries() -> list[CodeEntry]:
    """Return the entries of all exit codes; those of `rae-auto health` have their own meaning and its name before."""
    return [CodeEntry(code, CodeSet.EXIT_CODE, *texts) for code, texts in _TEXTS.items()]
