"""The command run."""

from rae_auto.cli.plain.configuration import config_path


def run_daemon(*, config: str | None = None, paused: bool = False) -> int:
    """Run the daemon until it is stopped, and return its exit code."""
    from rae_auto.toolkit.threads.late_tls import import_asyncio_without_tls  # lazy: start-up

    import_asyncio_without_tls()
    from rae_auto.daemon.daemon import run  # lazy: start-up

    return run(config_path(config), paused=paused)
