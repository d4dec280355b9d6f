"""The kinds of errors that `--json` and the control socket name, explained."""

import builtins
from collections.abc import Mapping

from rae_auto.explain.codes.entry import CodeEntry, CodeSet

_TEXTS: Mapping[str, tuple[str, str]] = {
    "SchedulerError": (
        "The base class of all errors below, for programs that catch any of them. A program also gets it for a kind "
        "that its version doesn't know.",
        "The message has place, problem and remedy. If a newer daemon answered, update the program.",
    ),
    "InvalidJob": (
        "A job contradicts itself, or names something that doesn't exist.",
        "The message names the key. 'rae-auto schema job --keys' lists all keys of a job.",
    ),
    "DuplicateJob": (
        "A job with this id exists already, in the configuration or among those that were added.",
        "Choose another name, or 'rae-auto add --replace' to change the one that was added.",
    ),
    "JobInUse": (
        "The job is part of the configuration file, or another job needs it.",
        "Remove it from the file and run 'rae-auto reload', or remove the needs of the other job first.",
    ),
    "JobNotFound": (
        "No job has this id.",
        "'rae-auto list' shows all ids. --config FILE asks the daemon of another configuration.",
    ),
    "RunNotFound": ("No run has this id, or it is older than [history] keeps.", "'rae-auto history' shows the ids."),
    "NotStarted": (
        "A policy of the job refused the run that was requested.",
        "The message has the reason. 'rae-auto trigger --force' passes over needs, and nothing else.",
    ),
    "BadRequest": (
        "An argument is invalid, or a value in a request; nothing was done.",
        "The message names the argument and what it may be. 'rae-auto COMMAND --help' lists them.",
    ),
    "SchedulerClosed": (
        "The scheduler of a program isn't open yet, or is stopping.",
        "Call it within 'async with Scheduler(…)', or between open() and close().",
    ),
    "ConfigError": (
        "The configuration has errors. A reload with errors changes nothing.",
        "'rae-auto check' lists all of them, each with its line and remedy.",
    ),
    "PluginError": ("A plugin can't be used.", "'rae-auto plugins' shows the state of each plugin, and its problem."),
    "PluginNotFound": (
        "No installed distribution has a plugin of this kind and name.",
        "Correct the name, or install the plugin into the environment of rae-auto.",
    ),
    "PluginBroken": (
        "The plugin can't be imported, or breaks its contract.",
        "'rae-auto plugins show KIND NAME' has its error. Update or remove it.",
    ),
    "PluginUnavailable": (
        "The plugin is installed, and doesn't work on this machine.",
        "The message says what it lacks: another system, a program, or an extra package.",
    ),
    "StoreError": (
        "The state can't be read or written: no space, no rights, a disk that fails.",
        "'rae-auto doctor' finds which. The daemon tries again; commands that need no start go on.",
    ),
    "StoreLocked": (
        "Another process has the store open; the message has its process id.",
        "End that process, or give this configuration a state directory of its own with the key state.",
    ),
    "ClaimLost": (
        "Another daemon leads those that share the store; what this one decided after that counts for nothing.",
        "Nothing to do: it starts again, and stands by. If it happens often, give the store a longer lease, and look "
        "for what keeps the daemon from its server.",
    ),
    "StoreDamaged": (
        "What was read from the store is not what was written.",
        "Start the daemon: it repairs the store from the best that there is, and its log says what was lost. "
        "'rae-auto restore' puts a backup in its place.",
    ),
    "UnknownCommand": (
        "The daemon doesn't know the command: it is of another version than this program.",
        "'rae-auto service restart', or stop it and start it again.",
    ),
    "InternalError": (
        "A fault of the daemon or of a plugin kept it from answering; the request was undone.",
        "'rae-auto logs' has the details. Report it with them.",
    ),
    "DaemonUnreachable": (
        "No daemon answers for this configuration.",
        "'rae-auto run' starts one. 'rae-auto service status' says what became of the service.",
    ),
    "OtherDaemonRuns": (
        "The daemon with this state directory runs another configuration.",
        "Use --config with the file that the message names, or give this file a state of its own.",
    ),
    "IllegalTransition": (
        "A bug: a run would have changed to a state that it can't reach.",
        "Report it with the lines of 'rae-auto logs'.",
    ),
    "BadUsage": (
        "The command line can't be understood; nothing was done.",
        "'rae-auto COMMAND --help' shows its arguments and options.",
    ),
    "HomeUnknown": (
        "This user has no home directory, so the paths of configuration and state are unknown.",
        "Set HOME, or RAE_STATE_DIR and --config.",
    ),
    "OSError": (
        "The system refused something; the message has the file and its words. In JSON the kind is that of Python, "
        "as in PermissionError or FileNotFoundError.",
        "Check rights, owner and space. 'rae-auto doctor' checks those of the state directory.",
    ),
}


def error_entries() -> list[CodeEntry]:
    """Return the entries of all kinds of errors."""
    return [CodeEntry(kind, CodeSet.ERROR, *texts) for kind, texts in _TEXTS.items()]


def canonical_kind(kind: str) -> str:
    """Return "OSError" for the names of its subclasses, any other name as it is."""
    cls = getattr(builtins, kind, None)
    return "OSError" if isinstance(cls, type) and issubclass(cls, OSError) else kind
