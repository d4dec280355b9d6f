"""The kinds of problems that `rae-auto check` reports, recognized by their words.

A problem has no number of its own: its line says where it is, what is wrong, and what to do. The kinds below say more
about what such lines have in common. `explain` takes a whole line and finds its kind.
"""

import re

from rae_auto.explain.codes.entry import CodeEntry, CodeSet

_KINDS: tuple[tuple[str, str, str, str], ...] = (
    (
        "invalid-toml",
        r"invalid TOML|is not UTF-8|is UTF-16|isn't closed|is not a regular file|no \[?table",
        "The file isn't valid TOML, so that nothing in it can be read.",
        "Fix the line that the message names. Texts need quotes, lists square brackets, and a table its header.",
    ),
    (
        "secret-exposed",
        r"other users can read|so that it isn't in this file|is in clear text",
        "A secret stands where other users of the machine, or readers of the file, can see it.",
        'Write a reference, as in "${file:PATH}", and pass it by env, stdin or secret_files.',
    ),
    (
        "unknown-key",
        r"unknown key|was renamed|is called|unknown argument",
        "No key has this name at this place. Misspelled keys would otherwise be ignored without a word.",
        "Correct the name; the line offers the nearest one. 'rae-auto schema --keys' lists all keys.",
    ),
    (
        "unknown-name",
        r"unknown (trigger|guard|executor|store|logger|notifier|job|resource|plugin)|which does not exist|"
        r"no notifier|names no trigger|unknown \{",
        "The value names a plugin, job, resource or notifier that doesn't exist.",
        "Correct the name, define it, or install the plugin. 'rae-auto plugins' lists what is installed.",
    ),
    (
        "file-rights",
        r"run 'chmod|run '\{|can be written|other users can (write|read)|everyone can",
        "Other users could change, or read, a file that decides what runs, or that holds a secret.",
        "Run the command that the line has. Folders above the file count too.",
    ),
    (
        "cycle",
        r"would (need|start) itself|needs itself|triggers itself",
        "Jobs need, or start, each other in a circle, so that none could ever begin, or none would end.",
        "Remove one of the needs or triggers that the line lists.",
    ),
    (
        "no-effect",
        r"has no effect|is overwritten|applies to|remove what does not apply|so remove it",
        "The key changes nothing as the job stands, which is rarely what was meant.",
        "Add the key that it belongs to, or remove it.",
    ),
    (
        "conflict",
        r"keep one|exclude each other|belong together|can't be used with|is in env too|have the same id|defined in|"
        r"remove one|never retried|set twice",
        "Two keys, or two definitions, contradict each other.",
        "Keep the one that you mean, and remove the other. It may stand in an included file: the line names it.",
    ),
    (
        "missing",
        r"is missing|nothing to run|there are no jobs|has no job|matches no file|needs an? |must have an?|is empty",
        "Something that is required isn't there: a job without anything to run, a trigger without its option, a file "
        "without jobs.",
        "Add what the line names. 'rae-auto schema job --keys' lists all keys of a job, "
        "'rae-auto plugins show KIND NAME' the options of a plugin.",
    ),
    (
        "not-enforced",
        r"can't be enforced|can't enforce|is not available on this machine|can't be done|does not work on|be woken",
        "This machine, its system or its rights can't do what the key asks for, and a promise isn't made in vain.",
        "Follow the line, remove the key, or set limits.best_effort = true where a limit may be missing.",
    ),
    (
        "no-shell",
        r"no shell reads|is not expanded|one word with blanks|a command is not run in env",
        "A command is a list of words that no shell reads, so variables, wildcards and ~ stay as they are.",
        'Write shell = "…", the whole path, or "${env:NAME}" in env.',
    ),
    (
        "not-on-this-machine",
        r"not found on PATH|does not exist yet|can't be read|is not set in the daemon|can't be (found|imported)|"
        r"isn't executable|no such file|could not be prepared|can't be checked|no home directory",
        "A program, folder, module, file or variable that the job needs isn't there now. This is a warning.",
        "Create or install it. PATH of jobs is that of the daemon: 'rae-auto doctor' compares it with this shell.",
    ),
    (
        "never-starts",
        r"never starts|in the past|never occurs|starts nothing|no time",
        "The schedule, or the guards with it, never start the job, or not as often as expected.",
        "Look at 'rae-auto next JOB' and 'rae-auto simulate', and correct the schedule.",
    ),
    (
        "too-large",
        r"is larger than|too large|nested too deeply|more than \S+ (parts|levels|char)|at most \S+ (char|KB|prin)",
        "A value exceeds what a store or a reader is made for.",
        "Make it smaller, split it, or put it into a file and name that file.",
    ),
    (
        "bad-time",
        r"invalid (cron|duration|size|time|date|zone|instant)|unknown time zone|time zone|minute|hour|day of|cron",
        "A time, duration, size, zone or cron expression isn't written in a form that is known.",
        'Durations are "90s", "5m", "1h30m"; \'rae-auto next "EXPR"\' shows what an expression means.',
    ),
    (
        "wrong-type",
        r"must be (text|true or false|a whole number|a number|a list|a table|a mapping|the name|three octal)",
        "The value is of another kind than the key takes.",
        "Write it as the line shows: texts in quotes, numbers and true or false without.",
    ),
    (
        "bad-value",
        r"must (be|have|not|name)|invalid|unknown|allowed|takes|is not|not text|choose|could|lost|without|NUL char",
        "The value is of the right kind and can't be used: it is out of its range, or not one of the known words.",
        "Choose one that the line allows. The page of the key, or of the plugin, says what each means.",
    ),
)

OTHER = CodeEntry(
    "other-problem",
    CodeSet.PROBLEM,
    "Any other problem: the line itself says where it is, what is wrong, and what to do.",
    "Do what follows the last semicolon of the line.",
)


def problem_entries() -> list[CodeEntry]:
    """Return the entries of all kinds of problems."""
    return [*(CodeEntry(code, CodeSet.PROBLEM, cause, hint) for code, _, cause, hint in _KINDS), OTHER]


def recognize_problem(line: str) -> CodeEntry:
    """Return the entry for a line that `check`, `add` or `reload` printed."""
    for code, pattern, cause, hint in _KINDS:
        if re.search(pattern, line):
            return CodeEntry(code, CodeSet.PROBLEM, cause, hint)
    return OTHER
