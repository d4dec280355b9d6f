"""A process that sends one message by Apprise and ends, because Apprise takes 46 MB that it never gives back.

It gets `{"url": …, "title": …, "body": …, "type": …}` at its standard input, and ends with one of the codes below. It
prints nothing: what Apprise logs may have the address, which is a secret.
"""

import json
import logging
import sys

SENT, FAILED, INVALID, MISSING = 0, 10, 11, 12


def send(url: str, title: str, body: str, type: str) -> int:
    """Send the message, and return the exit code."""
    try:
        import apprise
    except ImportError:
        return MISSING
    logging.disable(logging.CRITICAL)
    service = apprise.Apprise()
    if not service.add(url):
        return INVALID
    return SENT if service.notify(body=body, title=title, notify_type=apprise.NotifyType(type)) else FAILED


if __name__ == "__main__":
    sys.exit(send(**json.load(sys.stdin)))
