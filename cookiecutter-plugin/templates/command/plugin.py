"""{{ cookiecutter.__docstring }}"""

import click
from attrs import field, frozen
from rae_auto.api import Command, CommandContext
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@frozen(kw_only=True)
class {{ cookiecutter.__class }}(Command):
    """{{ cookiecutter.__docstring }}"""

    type = "{{ cookiecutter.name }}"

    limit: int = field(default=5, metadata={"help": "number of runs to show"})

    def run(self, context: CommandContext) -> int:
        for run in context.query("history", limit=self.limit):
            click.echo(f"{run['job']} {run['state']}")
        return 0


@hookimpl
def rae_commands() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
