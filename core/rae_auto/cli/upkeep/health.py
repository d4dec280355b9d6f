"""The commands health and metrics: how the daemon is, for people, monitoring tools and Prometheus."""

from pathlib import Path
from typing import Any

import click

from rae_auto.cli import options
from rae_auto.cli.queries import connect
from rae_auto.errors import DaemonUnreachable, SchedulerError
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.views.monitoring.health import (
    HealthCheck,
    HealthLevel,
    check_facts,
    health_line,
    health_record,
    worst_level,
)
from rae_auto.views.tables import print_json

ANSWER_TIMEOUT_SECONDS = 10.0
"""The time to wait for the daemon: one that doesn't answer by then does not work."""


@click.command("health")
@options.config
@options.as_json
def health_command(config: str | None, json_: bool) -> int:
    """Say in one line whether the daemon works: its loop, store, disk, clock, plugins, and jobs that are overdue.

    The exit code is what monitoring tools expect: 0 ok, 1 warning, 2 critical (also when no daemon is running),
    3 unknown, such as a configuration that does not exist.

    Example: rae-auto health --json
    """
    facts, checks = _ask(config)
    if json_:
        print_json(health_record(checks, facts))
    else:
        click.echo(escape_line(health_line(checks)))
    return worst_level(checks).value


def _ask(config: str | None) -> tuple[dict[str, Any] | None, list[HealthCheck]]:
    """Return the facts of the daemon, if it answers, and the checks."""
    if config is not None and not Path(config).expanduser().exists():
        return None, [HealthCheck("daemon", HealthLevel.UNKNOWN, f"there is no configuration {config}")]
    try:
        with connect(config, ANSWER_TIMEOUT_SECONDS) as client:
            facts: dict[str, Any] = client.call("health")
    except DaemonUnreachable as error:
        return None, [HealthCheck("daemon", HealthLevel.CRITICAL, str(error))]
    except (SchedulerError, OSError) as error:
        return None, [HealthCheck("daemon", HealthLevel.UNKNOWN, str(error))]
    return facts, check_facts(facts)


@click.command("metrics")
@options.config
@click.option(
    "--serve",
    metavar="[HOST:]PORT",
    help="Serve them at http://HOST:PORT/metrics until Ctrl-C; HOST is an address of this machine alone.",
)
def metrics_command(config: str | None, serve: str | None) -> None:
    """Print the metrics of the daemon and of all jobs, as text for Prometheus.

    Example: rae-auto metrics --serve 9464
    """
    from rae_auto.views.monitoring.metrics import metrics_text  # lazy: start-up

    def read() -> str:
        with connect(config, ANSWER_TIMEOUT_SECONDS) as client:
            return metrics_text(client.call("metrics"))

    if serve is None:
        click.echo(read(), nl=False)
        return
    from rae_auto.cli.upkeep.metrics_server import serve_metrics  # lazy: start-up

    serve_metrics(serve, read)
