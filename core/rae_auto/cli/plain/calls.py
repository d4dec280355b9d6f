"""Plain calls: those of commands that are called often, understood without click.

Importing click takes about as long as all the rest of `rae-auto status`. So commands that people and scripts call again
and again have a `Form` here: the words of a call that need no click to be understood. The daemon has one too, because
it would keep click in memory. All else is left to click (help, `--limit=5`, mistakes, completion), which knows the same
options; a test holds that both understand the same by a call.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module

from rae_auto.cli.failures import COMPLETION_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

FLAG, TEXT, TEXTS, COUNT = "flag", "text", "texts", "count"

MAX_COUNT = 100_000


class Form:
    """A function of a module in this package, and the words of which its arguments are made."""

    def __init__(
        self, module: str, function: str, options: Mapping[str, tuple[str, str]], argument: str | None = None
    ) -> None:
        """`options` has the argument that each option gives, and its kind; `argument` is that of other words."""
        self.module, self.function, self.options, self.argument = module, function, options, argument


_COMMON = {"--config": ("config", TEXT), "--json": ("json_", FLAG), "--headers": ("headers", FLAG)}

FORMS: Mapping[str, Form] = {
    "run": Form("run", "run_daemon", {"--config": ("config", TEXT), "--paused": ("paused", FLAG)}),
    "status": Form("status", "show_status", _COMMON),
    "history": Form(
        "history",
        "show_history",
        {
            **_COMMON,
            "--state": ("states", TEXTS),
            "--decisions": ("decisions", FLAG),
            "--limit": ("limit", COUNT),
            "-n": ("limit", COUNT),
        },
        argument="job",
    ),
}


def find_call(words: Sequence[str]) -> Callable[[], object] | None:
    """Return what does the work of a plain call; None if click has to understand it."""
    if COMPLETION_VARIABLE in os.environ:
        return None
    if list(words) in (["--help"], ["-h"]):
        from rae_auto.cli.plain.help_page import show_help

        return show_help
    if not words:
        from rae_auto.cli.interactive.overview import show_overview

        return show_overview
    form = FORMS.get(words[0])
    arguments = None if form is None else read_arguments(form, words[1:])
    if form is None or arguments is None:
        return None
    # lazy: start-up
    from rae_auto.cli.plain.lean_paths import import_paths

    import_paths()
    from rae_auto.views.tables import use_headers

    use_headers(arguments.pop("headers", False))
    module = import_module(f"rae_auto.cli.plain.{form.module}")
    return partial(getattr(module, form.function), **arguments)


def read_arguments(form: Form, words: Sequence[str]) -> dict[str, Any] | None:
    """Return the arguments of a call; None if it isn't plain."""
    found: dict[str, Any] = {}
    left = iter(words)
    for word in left:
        name, kind = form.options.get(word, (form.argument, TEXT))
        is_option = word in form.options
        if kind == FLAG and name is not None:
            found[name] = True
            continue
        value = next(left, "") if is_option else word
        if name is None or not value or value.startswith("-") or (not is_option and name in found):
            return None
        if kind == COUNT and not (value.isascii() and value.isdigit() and 1 <= int(value) <= MAX_COUNT):
            return None
        if kind == TEXTS:
            found[name] = (*found.get(name, ()), value)
        else:
            found[name] = int(value) if kind == COUNT else value
    return found
