"""Check the answers, which become a distribution, a module, a class, a docstring and a name in configurations."""

import re
import sys

KIND = {{ cookiecutter.kind | tojson }}
FLAVOUR = {{ cookiecutter.flavour | tojson }}
NAME = {{ cookiecutter.name | tojson }}
DESCRIPTION = {{ cookiecutter.description | tojson }}
FLAVOURS = {"trigger": ("default", "source", "pattern"), "guard": ("default", "computed")}
MAX_DESCRIPTION_CHARACTERS = 90


def find_problem():
    if not re.fullmatch("[a-z][a-z0-9]*(-[a-z0-9]+)*", NAME) or len(NAME) > 64:
        return f'invalid name {NAME!r}; use 1 to 64 lowercase letters and digits, in words joined by single "-"'
    if FLAVOUR not in FLAVOURS.get(KIND, ("default",)):
        return f"a {KIND} can't be {FLAVOUR}; a trigger can be source or pattern, and a guard computed"
    if not DESCRIPTION.strip() or not DESCRIPTION.isprintable() or len(DESCRIPTION) > MAX_DESCRIPTION_CHARACTERS:
        return f"invalid description; write one line of at most {MAX_DESCRIPTION_CHARACTERS} characters"
    try:
        from rae_auto.registry.index import RESERVED_COMMANDS, installed
    except ImportError:
        return None
    own = {info.name for info in installed() if info.kind == KIND and info.distribution == "rae-auto"}
    if NAME in own or (KIND == "command" and NAME in RESERVED_COMMANDS):
        return f"the {KIND} {NAME!r} comes with rae-auto, which keeps the name; choose another"
    return None


if problem := find_problem():
    sys.exit(problem)
