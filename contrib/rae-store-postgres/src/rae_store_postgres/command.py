"""Create the tables of the postgres store, bring them up to date, and declare machines dead."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from attrs import field, frozen

from rae_auto.api import Command, CommandContext
from rae_auto.errors import BadRequest, ConfigError
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@frozen(kw_only=True)
class PostgresCommand(Command):
    """Create the tables of the postgres store or bring them up to date, list its nodes, or declare one dead.

    Run `migrate` as a role that may create tables, `--dsn` names it; the role of the daemons needs no such right.

    \b
    Example: rae-auto postgres migrate
             rae-auto postgres migrate --dsn postgresql://owner@db.local/rae --grant rae_daemon
             rae-auto postgres nodes
             rae-auto postgres fence nas-1f3a90c2
    """

    type: ClassVar[str] = "postgres"
    example: ClassVar[Mapping[str, Any]] = {"action": "migrate"}

    action: Literal["migrate", "nodes", "fence"] = field(metadata={"argument": True, "help": "the thing to do"})
    node: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"argument": True, "help": "the node to declare dead"}
    )
    dsn: str | None = field(default=None, metadata={"help": "connect as another role than the configuration says"})
    grant: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"help": "role of daemons that gets its rights; may be repeated"}
    )
    grant_read: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"help": "role that may read, for history and dashboards; likewise"}
    )

    def run(self, context: CommandContext) -> int:
        """Carry it out. Errors: ConfigError, StoreError, BadRequest."""
        import click  # lazy: start-up

        from rae_store_postgres.administration import fence, list_nodes, read_address  # lazy: start-up
        from rae_store_postgres.migration import migrate  # lazy: start-up

        if context.config is None:
            raise ConfigError(["no rae.toml here; name one with --config"])
        address, fence_after = read_address(context.config, self.dsn)
        if self.action == "migrate":
            before, after = asyncio.run(migrate(address, self.grant, self.grant_read))
            done = f"created version {after}" if not before else f"was at version {before}, is at {after}"
            click.echo(f'schema "{address.schema}" in {address.place}: {done}')
        elif self.action == "nodes":
            lines = asyncio.run(list_nodes(address, fence_after))
            click.echo("\n".join(lines) or "no daemon has used these tables yet; start one with 'rae-auto run'")
        elif not self.node:
            raise BadRequest("name the node, as in 'rae-auto postgres fence nas-1f3a90c2'; 'nodes' lists them")
        else:
            for node in self.node:
                asyncio.run(fence(address, node))
                click.echo(f"{node} counts as dead: what it ran there is lost, and on_crash decides")
                click.echo("what it ran elsewhere may go on: ssh hosts are asked, but check a Dask cluster yourself")
        return 0


@hookimpl
def rae_commands() -> list[type[PostgresCommand]]:
    """Return the command."""
    return [PostgresCommand]
