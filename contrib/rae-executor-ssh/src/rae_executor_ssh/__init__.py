"""SSH executor: runs jobs on other machines. Start reading at `executor.py`; `remote` is what runs there."""

from rae_auto.hookspecs import hookimpl
from rae_executor_ssh.executor import SshExecutor

__all__ = ["RAE_API", "SshExecutor", "rae_executors"]

RAE_API = 1


@hookimpl
def rae_executors() -> list[type[SshExecutor]]:
    """Return the SSH executor."""
    return [SshExecutor]
