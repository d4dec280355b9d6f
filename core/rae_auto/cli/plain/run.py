"""The command run."""

from rae_auto.cli.plain.configuration import config_path


def run_daemon(*, config: str | None = None, paused: bool = False) -> int:
    """Run the daemon until it is stopped, and return its exit code."""
    from rae_auto.daemon.lean_imports import import_libraries  # lazy: start-up

    import_libraries()
    from rae_auto.daemon.daemon import run  # lazy: start-up

    return run(config_path(config), paused=paused)
