"""The wait of `rae-auto trigger --wait`: until runs have finished, a time is over, or the person has seen enough."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click
from attrs import field, frozen

from rae_auto.cli.queries import connect
from rae_auto.control.client import Client
from rae_auto.control.run_ends import follow_run_ends
from rae_auto.errors import DaemonUnreachable, SchedulerError
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import format_count, format_elapsed

SUCCEEDED = "succeeded"


@frozen
class RunWait:
    """The wait for `runs`, each with its job, which may be started meanwhile; at most `seconds`, if given."""

    client: Client
    runs: Mapping[str, str]
    seconds: float | None
    as_json: bool = field(kw_only=True)

    def start_and_wait(self, start: Callable[[], None], config: str | None) -> bool:
        """Start the runs, wait for them, say how each ended, and return whether all succeeded in time.

        Those that were started are waited for also where another was refused. Errors: those of `start`; also
        DaemonUnreachable if the daemon ends before, and KeyboardInterrupt.
        """
        ended: dict[str, str] = {}
        refusal: Exception | None = None
        try:
            try:
                start()
            except (SchedulerError, ExceptionGroup) as error:
                refusal = error
            self._follow(ended, config)
        except KeyboardInterrupt:
            self._say_what_goes_on(ended, "no longer waiting")
            raise
        except DaemonUnreachable as error:
            text = (
                f"{error}, before {_count(self._find_open(ended))} finished; 'rae-auto history' shows what became of it"
            )
            raise DaemonUnreachable(text) from None
        if refusal is not None:
            raise refusal
        self._say_what_goes_on(ended, f"not finished after {format_elapsed(self.seconds or 0.0)}")
        return not self._find_open(ended) and set(ended.values()) <= {SUCCEEDED}

    def _follow(self, ended: dict[str, str], config: str | None) -> None:
        """Add the state of each run to `ended` when it has finished."""
        if not self.runs:
            return
        with connect(config) as listener:
            for record in follow_run_ends(listener, self.client, list(self.runs), self.seconds):
                ended[record["run_id"]] = record["state"]
                if self.as_json:
                    click.echo(json.dumps(record))
                else:
                    click.echo(_describe_end(record), err=True)

    def _find_open(self, ended: Mapping[str, str]) -> list[str]:
        return [run for run in self.runs if run not in ended]

    def _say_what_goes_on(self, ended: Mapping[str, str], why: str) -> None:
        left = self._find_open(ended)
        if left:
            verb, which = ("goes", "it") if len(left) == 1 else ("go", "the first")
            hint = f"'rae-auto output {left[0]} --follow' shows {which}, 'rae-auto cancel {left[0]}' ends it"
            click.echo(f"rae-auto: {why}; {_count(left)} {verb} on; {hint}", err=True)


def _describe_end(record: Mapping[str, Any]) -> str:
    took = "" if record["duration"] is None else f" after {format_elapsed(record['duration'])}"
    code = f"exit code {record['exit_code']}" if record["exit_code"] else None
    why = "" if record["state"] == SUCCEEDED else ", ".join(filter(None, [code, record["reason_text"]]))
    ended = f"{record['job']} (run {record['run_id']}) {record['state'].replace('_', ' ')}{took}"
    return escape_line(f"{ended}: {why}" if why else ended)


def _count(left: Sequence[str]) -> str:
    return f"run {left[0]}" if len(left) == 1 else format_count(len(left), "run")
