"""`rae-auto mcp`, asked by the client of the official SDK, in front of a real daemon."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.daemons import Daemons
from tests.support.mcp_sessions import McpSessions
from tests.support.waiting import eventually

from rae_auto.testing.commands import CommandConformance
from rae_auto.toolkit.extras import install_command
from rae_plugins.commands.mcp import MISSING_EXTRA, McpCommand
from rae_plugins.commands.mcp.answers import MAX_ANSWER_BYTES, keep_last_lines, keep_within_bounds
from rae_plugins.commands.mcp.skill import read_skill
from rae_plugins.commands.mcp.tools import ACTING_TOOLS, READING_TOOLS

JOBS = """
[jobs.hello]
shell = "echo one; echo two; echo three"
[jobs.sleepy]
command = ["sleep", "600"]
schedule = "0 3 * * *"
"""

MODES = ("legacy", "2026-07-28")
"""The protocol with a handshake, up to the version of 2025-11-25, and the stateless one."""


class TestConformance(CommandConformance):
    @pytest.fixture
    def plugin(self) -> McpCommand:
        return McpCommand()


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    daemons = Daemons(tmp_path_factory.mktemp("mcp"), JOBS)
    daemons.serve()
    yield daemons
    daemons.end()


@pytest.fixture(scope="module")
def sessions(daemons: Daemons) -> Iterator[McpSessions]:
    sessions = McpSessions(daemons)
    yield sessions
    sessions.close()


def _text(result: Any) -> str:
    [content] = result.content
    assert content.type == "text"
    return str(content.text)


@pytest.mark.parametrize("mode", MODES)
def test_client_reads_what_the_daemon_knows(sessions: McpSessions, mode: str):
    async def questions(client: Any) -> list[Any]:
        tools = (await client.list_tools()).tools
        status, why = await asyncio.gather(
            client.call_tool("status", {}), client.call_tool("why", {"job": "sleepy", "at": "yesterday 18:00"})
        )
        return [client.protocol_version, tools, status, why]

    version, tools, status, why = sessions.ask(questions, mode=mode)
    assert version == ("2025-11-25" if mode == "legacy" else mode)
    assert [tool.name for tool in tools] == [tool.name for tool in READING_TOOLS]
    assert all(tool.annotations.read_only_hint for tool in tools)
    assert json.loads(_text(status))["ok"] is True
    assert json.loads(_text(why))["answer"].startswith("sleepy ")


def test_each_reading_tool_gives_an_answer(daemons: Daemons, sessions: McpSessions):
    daemons.ask("trigger", job="hello")
    given: dict[str, dict[str, Any]] = {
        "show": {"job": "sleepy"},
        "why": {"job": "sleepy"},
        "history": {"decisions": True, "limit": 5, "states": ["succeeded"]},
        "output": {"target": "hello"},
        "next": {"what": "sleepy", "count": 2},
        "simulate": {"days": 2, "jobs": ["sleepy"], "starts_only": True},
        "schema": {"of": "job", "keys": True},
    }

    async def questions(client: Any) -> dict[str, Any]:
        names = [tool.name for tool in READING_TOOLS]
        results = await asyncio.gather(*(client.call_tool(name, given.get(name, {})) for name in names))
        return dict(zip(names, results, strict=True))

    results = sessions.ask(questions, mode=MODES[0])
    failed = {name: _text(result) for name, result in results.items() if result.is_error}
    assert failed == {}
    assert json.loads(_text(results["check"]))["errors"] == []
    assert len(json.loads(_text(results["next"]))) == 2
    assert {job["id"] for job in json.loads(_text(results["list"]))} == {"hello", "sleepy"}


def test_output_shows_the_last_lines(daemons: Daemons, sessions: McpSessions):
    run = daemons.ask("trigger", job="hello")["run_id"]
    eventually(lambda: daemons.ask("history", run=run)[0]["state"] == "succeeded")
    answer = sessions.ask(lambda client: client.call_tool("output", {"target": run, "lines": 2}), mode=MODES[0])
    assert _text(answer) == "showing the last 2 of 3 lines\ntwo\nthree"


@pytest.mark.parametrize("mode", MODES)
def test_actions_need_to_be_allowed(sessions: McpSessions, mode: str):
    result = sessions.ask(lambda client: client.call_tool("run", {"job": "hello"}), mode=mode)
    assert result.is_error
    assert _text(result) == "no tool \"run\"; start 'rae-auto mcp' with --allow-actions to allow it"


@pytest.mark.parametrize("mode", MODES)
def test_actions_act_and_say_who_asked_for_them(sessions: McpSessions, mode: str):
    name = f"new-{mode}"

    async def questions(client: Any) -> list[Any]:
        definition = {"id": name, "command": ["sleep", "600"]}
        return [
            await client.call_tool("add", {"definition": definition}),
            await client.call_tool("show", {"job": name}),
            await client.call_tool("run", {"job": name, "request": "once"}),
            await client.call_tool("run", {"job": name, "request": "once"}),
            await client.call_tool("cancel", {"job": name}),
            await client.call_tool("history", {"job": name}),
            await client.call_tool("why", {"job": name}),
            await client.call_tool("pause", {"job": name, "until": "in 2 hours", "note": "too long"}),
            await client.call_tool("resume", {"job": name}),
            await client.call_tool("reload", {}),
            await client.call_tool("remove", {"job": name}),
        ]

    results = sessions.ask(questions, "--allow-actions", mode=mode)
    assert [_text(result) for result in results if result.is_error] == []
    _, show, run, again, cancel, history, why, pause, *_ = map(_text, results)
    added_by = json.loads(show)["info"]["added_by"]
    assert (added_by["via"], added_by["run_id"]) == ("mcp", None)
    assert added_by["client"].startswith("mcp ")
    assert json.loads(cancel)["cancelled"] == [json.loads(run)["run_id"]] == [json.loads(again)["run_id"]]
    assert pause.startswith(f"paused {name} until ")
    [recorded] = json.loads(history)
    triggered_by = recorded["triggered_by"]
    assert {name: triggered_by[name] for name in ("via", "client", "run_id")} == {
        "via": "mcp",
        "client": added_by["client"],
        "run_id": None,
    }
    assert any(triggered_by["text"] in fact["text"] for fact in json.loads(why)["facts"])


@pytest.mark.parametrize(
    ("tool", "given", "words"),
    [
        ("why", {}, "'job' is a required property"),
        ("why", {"job": 3}, "job: 3 is not of type 'string'"),
        ("why", {"job": "a\x1bb"}, "does not match"),
        ("why", {"job": "hello", "when": "now"}, "'when' was unexpected"),
        ("history", {"limit": 10**6}, "is greater than the maximum of 500"),
        ("why", {"job": "--help"}, 'no job "--help"'),
        ("why", {"job": "helo"}, 'did you mean "hello"?'),
        ("why", {"job": "hello", "at": "whenever"}, 'at: invalid time "whenever"; write '),
        ("next", {"what": "61 * * * *"}, 'minute "61": write a value from 0 to 59'),
        ("cancel", {}, 'give either "job" or "run"'),
        ("cancel", {"run": "01ABCDEFGH"}, 'no job "01ABCDEFGH"'),
        ("add", {"definition": {"id": "x", "added_by": {}}}, "added_by"),
        ("nothing", {}, "there are status, list"),
    ],
)
@pytest.mark.parametrize("mode", MODES)
def test_wrong_calls_are_one_line(sessions: McpSessions, tool: str, given: dict[str, Any], words: str, mode: str):
    result = sessions.ask(lambda client: client.call_tool(tool, given), "--allow-actions", mode=mode)
    assert result.is_error
    assert words in _text(result)
    assert "\n" not in _text(result)
    assert not _text(result).startswith("--") and "--help'" not in _text(result)


def test_skill_is_a_resource_and_an_option(sessions: McpSessions, capsys: pytest.CaptureFixture[str]):
    async def questions(client: Any) -> str:
        [resource] = (await client.list_resources()).resources
        [content] = (await client.read_resource(str(resource.uri))).contents
        return str(content.text)

    assert sessions.ask(questions, mode=MODES[1]) == read_skill()
    McpCommand(skill=True).run(None)  # type: ignore[arg-type]  # it needs no surroundings
    assert capsys.readouterr().out == read_skill()


def test_other_resource_is_refused_as_a_wrong_parameter(sessions: McpSessions):
    # Late, as in `McpSessions`. The SDK would write a traceback of any other error to the person's terminal.
    from mcp.shared.exceptions import MCPError
    from mcp_types import INVALID_PARAMS

    async def question(client: Any) -> tuple[int, str]:
        with pytest.raises(MCPError) as refused:
            await client.read_resource("rae-auto://other")
        return refused.value.code, refused.value.message

    answer = sessions.ask(question, mode=MODES[1])
    assert answer == (INVALID_PARAMS, "unknown resource; there is rae-auto://skill")


def test_skill_begins_with_its_name_and_description_in_yaml():
    _, head, _ = read_skill().split("---\n", 2)
    found = yaml.safe_load(head)
    assert set(found) == {"name", "description"}
    assert found["name"] == "rae-auto"
    assert found["description"].endswith("failed or missed runs.")


def test_attempt_has_no_default_so_that_the_last_one_is_taken():
    tools = {tool.name: tool for tool in READING_TOOLS}
    assert "default" not in tools["output"].properties["attempt"]
    assert tools["output"].properties["lines"]["default"] == 200


def test_skill_names_each_tool():
    skill = read_skill()
    assert [tool.name for tool in (*READING_TOOLS, *ACTING_TOOLS) if f"`{tool.name}`" not in skill] == []


def test_long_answers_say_how_much_they_show():
    cut = json.loads(keep_within_bounds(json.dumps([{"text": "x" * 1000}] * 1000)))
    assert cut["of"] == 1000
    assert cut["showing"] == len(cut["items"]) > 50
    assert "cut: 500000 characters in all" in keep_within_bounds("y" * 500_000)
    assert len(keep_last_lines("z" * 500_000, 10).encode()) < MAX_ANSWER_BYTES
    assert keep_last_lines("a\nb\n", 2) == "a\nb"


def test_missing_packages_are_named_with_a_hint(tmp_path: Path):
    code = "import sys; sys.modules['mcp'] = None; sys.modules['mcp_types'] = None\n"
    code += "from rae_auto.cli.program import run\nsys.exit(run(['mcp']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=50)
    assert (done.returncode, done.stderr) == (1, f"rae-auto: {MISSING_EXTRA.format(install_command('mcp'))}\n")


def test_client_that_goes_away_ends_the_server_without_a_word(tmp_path: Path):
    information = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": information}
    with subprocess.Popen(
        [sys.executable, "-m", "rae_auto", "mcp"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.close()
        assert (process.stderr.read(), process.wait(50)) == (b"", 0)
