"""The command completion: scripts that let a shell complete commands, options and job names."""

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script for a shell.

    Example: rae-auto completion bash > ~/.local/share/bash-completion/completions/rae-auto
    """
    from click.shell_completion import get_completion_class

    from rae_auto.cli.program import program

    completion = get_completion_class(shell)
    assert completion is not None
    click.echo(completion(program, {}, "rae-auto", "_RAE_AUTO_COMPLETE").source())
