"""Show the jobs in a browser: what needs you, what ran, what comes next, and why."""

from collections.abc import Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import Command, CommandContext
from rae_auto.hookspecs import hookimpl

RAE_API = 1

LIBRARIES = ("starlette", "uvicorn", "jinja2")

DEFAULT_PORT = 8642


def _require_loopback(_: object, __: Any, value: str) -> None:
    try:
        is_loopback = ip_address(value).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ValueError(
            f"host must be an address of this machine alone, such as 127.0.0.1 or ::1, not {value}; "
            f"to look from elsewhere use 'ssh -L {DEFAULT_PORT}:127.0.0.1:{DEFAULT_PORT} HOST'"
        )


def _require_port(_: object, __: Any, value: int) -> None:
    if not 0 <= value <= 65_535:
        raise ValueError("port must be from 0 to 65535")


@frozen(kw_only=True)
class Ui(Command):
    """Show the jobs in a browser on this machine.

    Prints a link that opens the page once; the browser stays signed in until this command ends. Works without a
    daemon too, and then shows what is on record.
    """

    type = "ui"
    example: ClassVar[Mapping[str, Any]] = {"open": True}

    port: int = field(
        default=DEFAULT_PORT, validator=_require_port, metadata={"help": "port to listen on; 0 takes any that is free"}
    )
    host: str = field(
        default="127.0.0.1", validator=_require_loopback, metadata={"help": "loopback address to listen on"}
    )
    open: bool = field(default=False, metadata={"help": "open the page in the browser"})
    read_only: bool = field(default=False, metadata={"help": "show everything and change nothing"})

    @classmethod
    def available(cls) -> str | None:
        missing = [name for name in LIBRARIES if find_spec(name) is None]
        if not missing:
            return None
        from rae_auto.toolkit.extras import install_command  # lazy: only for a message

        return f"{', '.join(missing)} not installed; run '{install_command('ui')}'"

    def run(self, context: CommandContext) -> int:
        from rae_plugins.commands.ui.server import serve  # lazy: start-up

        return serve(context, host=self.host, port=self.port, is_opened=self.open, is_read_only=self.read_only)


@hookimpl
def rae_commands() -> list[type[Ui]]:
    return [Ui]
