"""The commands plugins install and uninstall: into the environment of rae-auto, whichever tool made it."""

import shlex

import click

from rae_auto.model.primitives.escaping import escape_line

_print_only = click.option("--print", "only_print", is_flag=True, help="Print the command, and don't run it.")


@click.command("install")
@click.argument("name")
@_print_only
@click.pass_context
def install_command(ctx: click.Context, name: str, only_print: bool) -> None:
    """Install a plugin, by name or from a folder, into the environment of rae-auto: a venv, or that of pipx or uv.

    The exit code is 1 if the installer fails, or can't be run here.

    Example: rae-auto plugins install rae-notifier-ntfy
    """
    _change(ctx, name, install=True, only_print=only_print)


@click.command("uninstall")
@click.argument("name")
@_print_only
@click.pass_context
def uninstall_command(ctx: click.Context, name: str, only_print: bool) -> None:
    """Uninstall a plugin from the environment of rae-auto.

    The exit code is 1 if the installer fails, or can't be run here.

    Example: rae-auto plugins uninstall rae-notifier-ntfy
    """
    _change(ctx, name, install=False, only_print=only_print)


def _change(ctx: click.Context, name: str, *, install: bool, only_print: bool) -> None:
    import subprocess

    from rae_auto.offline.authoring.installing import plan_here
    from rae_auto.registry import Registry

    if name.startswith("-"):
        raise click.UsageError(f"{name} is an option, not a plugin; give the name of a distribution, or a folder")
    others = sorted({info.distribution for info in Registry().infos() if info.distribution != "rae-auto"})
    command = plan_here(name, install=install, others=others)
    line = escape_line(shlex.join(command.argv))
    if only_print:
        click.echo(line)
        return
    if command.problem:
        click.echo(f"rae-auto: {command.problem}; the command would be: {line}", err=True)
        ctx.exit(1)
    click.echo(f"{line}  ({command.installer})", err=True)
    done = subprocess.run(command.argv, check=False)
    if not done.returncode:
        click.echo("a daemon that is running takes what is new with 'rae-auto reload'; else restart it", err=True)
    ctx.exit(1 if done.returncode else 0)
