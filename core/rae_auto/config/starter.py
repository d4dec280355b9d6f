"""The file that `rae-auto init` writes: it runs as it is, and shows further settings as comments."""

import os
from pathlib import Path

from rae_auto.errors import ConfigError

STARTER = """\
# rae-auto runs the jobs of this file:     rae-auto run
# Find mistakes in it:                      rae-auto check
# See what will run, and when:              rae-auto list, rae-auto next JOB
# See what ran, and what it printed:        rae-auto history, rae-auto output JOB
#
# A duration is "90s", "5m", "1h30m", "2d" or a number of seconds; a size is "512MB" or a number of bytes.

# timezone = "Europe/Berlin"            # of schedules; the machine's own if absent
# state = "state"                       # a directory for the state of this file alone
# store = "sqlite"                      # or "json": plain files
# loggers = ["console"]                 # and "file", the default without a terminal; see rae-auto logs
# max_parallel = 8                      # how many runs at once
# shutdown_grace = "30s"                # time that runs have to end at a stop
# history = { keep = "90d", keep_failures = "1y" }    # how long runs are kept

# Ways to notify people; a job chooses with `notify`.
# [notifiers.desk]
# type = "command"
# command = ["logger", "-t", "rae-auto"]    # gets the notice as JSON on its standard input

# Keys that every job inherits unless it sets its own.
[defaults]
timeout = "1h"

# At fixed times: minute, hour, day of month, month, day of week.
[jobs.hello]
command = ["echo", "Hello from rae-auto"]   # program and arguments, without a shell
schedule = "* * * * *"

# At intervals, and with a shell.
[jobs.free-space]
shell = "df -k / | tail -1"
trigger = { type = "interval", every = "5m" }

# Only when triggered: rae-auto trigger system
[jobs.system]
command = ["uname", "-a"]
# needs = ["hello"]                     # runs only if the latest run of it succeeded
# cwd = "~/reports"
# env = { MODE = "prod" }
# priority = "high"                     # low, normal, high, critical
# overlap = "queue"                     # skip, queue, replace, allow
# catch_up = "latest"                   # none, latest, all: which missed runs start late
# retry = 2                             # or { attempts = 3, delay = "10s", backoff = "exponential" }
# limits = { memory = "512MB", cpu_time = "60s" }
# notify = { on = ["failure", "recovery"], via = ["desk"] }
"""


def write_starter(path: Path) -> None:
    """Write the starter file, writable by the owner alone. Raises ConfigError, also if the file exists."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError([f"{path}: already exists; edit it, or write another with 'rae-auto init FILE'"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: can't be written ({error.strerror}); choose another directory"]) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(STARTER)
