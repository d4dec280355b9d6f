"""Conformance suite of commands, and the context that stands in for the program's."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from zoneinfo import ZoneInfo

import attrs
import pytest
from attrs import define, field

from rae_auto.api.command import MAX_SUMMARY_CHARACTERS, RESERVED_OPTIONS, Command
from rae_auto.errors import DaemonUnreachable
from rae_auto.testing.plugin import PluginConformance
from rae_auto.testing.time_limits import TEST_TIMEOUT_SECONDS, limit_calls

Answers = Mapping[str, Any | Callable[..., Any]]
"""The result of each control command, or a function that makes it from the arguments."""


@define
class FakeClient:
    """A daemon of canned answers. `calls` holds what it was asked, with the arguments."""

    answers: Answers
    published: Sequence[Mapping[str, Any]] = ()
    calls: list[tuple[str, dict[str, Any]]] = field(factory=list)

    def call(self, command: str, **arguments: Any) -> Any:
        self.calls.append((command, arguments))
        answer = self.answers[command]
        return answer(**arguments) if callable(answer) else answer

    def events(self) -> Iterator[Mapping[str, Any]]:
        yield from self.published

    def close(self) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@define
class FakeContext:
    """A context for tests: a daemon of canned answers, or none where `client` is None."""

    state_directory: Path
    client: FakeClient | None = None
    config: Path | None = None
    zone: ZoneInfo = field(factory=lambda: ZoneInfo("UTC"))

    def connect(self, timeout_seconds: float | None = 30.0) -> FakeClient:
        if self.client is None:
            raise DaemonUnreachable(f"no daemon is running for {self.state_directory}; start one with 'rae-auto run'")
        return self.client

    def query(self, command: str, **arguments: Any) -> Any:
        return self.connect().call(command, **arguments)


class CommandConformance(PluginConformance):
    """Conformance suite of commands. A subclass has a fixture `plugin`, the command to test."""

    @pytest.fixture(autouse=True)
    def limit_the_test(self, request: pytest.FixtureRequest) -> None:
        """Interrupt a test that hangs, and name the place."""
        request.node.obj = limit_calls(request.node.obj, TEST_TIMEOUT_SECONDS)

    def test_module_begins_with_the_line_of_the_help(self, plugin: Command) -> None:
        cls = type(plugin)
        module = inspect.getmodule(cls)
        line = (getattr(module, "__doc__", None) or "").partition("\n")[0]
        assert line, f"{cls.__module__} needs a docstring, whose first line 'rae-auto --help' shows"
        assert len(line) <= MAX_SUMMARY_CHARACTERS, (
            f"the first line of {cls.__module__} has {len(line)} characters; use at most {MAX_SUMMARY_CHARACTERS}"
        )

    def test_options_leave_those_of_the_program_alone(self, plugin: Command) -> None:
        cls: Any = type(plugin)
        names = {option.name.rstrip("_") for option in attrs.fields(cls) if option.init}
        assert not names & RESERVED_OPTIONS, f"every command has {', '.join(names & RESERVED_OPTIONS)}; use other names"

    def test_arguments_in_a_list_come_last(self, plugin: Command) -> None:
        cls: Any = type(plugin)
        arguments = [option for option in attrs.fields(cls) if option.metadata.get("argument")]
        early = [option.name for option in arguments[:-1] if "tuple" in str(option.type)]
        assert not early, f"only the last argument can be a list, not {', '.join(early)}"
