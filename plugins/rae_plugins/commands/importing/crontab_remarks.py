"""Remarks about a crontab as a whole: its mails, its environment, and a column of users that nothing announced."""

import re
import shutil
from collections.abc import Iterator, Sequence, Set

from rae_auto.model.primitives.formatting import format_count, join_words, quote
from rae_plugins.commands.importing.user_accounts import is_known

_SYSTEM_USERS = frozenset({"root", "www-data", "nobody"})
"""Users that system crontabs name, also where this machine doesn't have them."""


def find_remarks(text: str, mail_to: Set[str | None]) -> Iterator[str]:
    """Yield remarks about a crontab as a whole.

    `mail_to` are the receivers of what its jobs print: None is the user, and "" that nothing is mailed.
    """
    if text and not text.endswith("\n"):
        yield "the last line has no end, so Debian's cron leaves it out; here it counts"
    yield "a job has the environment of the daemon; cron gives PATH=/usr/bin:/bin, HOME, LOGNAME and SHELL alone"
    receivers = [*sorted(one for one in mail_to if one), *(["their user"] if None in mail_to else [])]
    if not receivers:
        return
    silent = ' (nothing of those below MAILTO="")' if "" in mail_to else ""
    yield (
        f"cron mails what jobs print to {', '.join(receivers)}{silent}; here 'rae-auto output JOB' shows it. For a "
        'mail when a job fails, add a notifier of the type email, and notify = { on = ["failure"], via = ["NAME"] } '
        "to [defaults]"
    )


def find_user_column(first_words: Sequence[str]) -> Iterator[str]:
    """Yield a remark if half of the commands begin with the name of a user, as a column of users would."""
    users = [word for word in first_words if _is_user(word)]
    if users and 2 * len(users) >= len(first_words):
        names = join_words([quote(name) for name in sorted(set(users))], "and")
        yield (
            f"{len(users)} of {format_count(len(first_words), 'command')} begin with the name of a user ({names}); "
            "if that is the column of users of a system crontab, import it with --system"
        )


def _is_user(word: str) -> bool:
    # Some users have the name of a program, as "mail" and "git", which is what a command begins with.
    if word in _SYSTEM_USERS:
        return True
    return re.fullmatch(r"[a-z_][a-z0-9_-]*", word) is not None and shutil.which(word) is None and is_known(word)
