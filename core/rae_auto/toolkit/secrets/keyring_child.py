"""A process that reads one password from the keyring and ends, so that the daemon never imports keyring.

It gets `{"service": …, "user": …}` at its standard input, and answers with `{"value": …}` or `{"problem": …}`, with
the `extra` of rae-auto that is missing, if one is. For `{}` it opens nothing, and the problem is that there is no
backend. A script of the standard library and keyring alone.
"""

import json
import sys


def read_password(service: str = "", user: str = "") -> "dict[str, str | None]":
    """Return the password as `value`, None if there is none, or else the `problem` in a line."""
    try:
        import keyring
    except ImportError:
        return {"problem": "keyring is not installed", "extra": "keyring"}
    try:
        if not service:
            backend = keyring.get_keyring()
            has_none = type(backend).__module__ == "keyring.backends.fail"
            return {"problem": "it has no backend in this session"} if has_none else {"value": None}
        return {"value": keyring.get_password(service, user)}
    except Exception as error:
        return {"problem": f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"}


if __name__ == "__main__":
    json.dump(read_password(**json.load(sys.stdin)), sys.stdout)
