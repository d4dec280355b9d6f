"""The options of plugins that run a command."""

from typing import Any

from attrs import field
from attrs.converters import optional

from rae_auto.toolkit.commands import check_command
from rae_auto.toolkit.validators import absolute_path


def command_option() -> Any:
    """Return the field of the option `command`: a tuple of words."""
    return field(
        converter=tuple,
        validator=check_command,
        metadata={"help": "the program and its arguments, as a list; never run through a shell"},
    )


def cwd_option() -> Any:
    """Return the field of the option `cwd`: an absolute path, or None."""
    return field(
        default=None,
        converter=optional(absolute_path),
        metadata={"help": "working directory; by default the folder of the configuration file", "is_folder": True},
    )
