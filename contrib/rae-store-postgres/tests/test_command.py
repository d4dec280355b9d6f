"""The command, as a person runs it, with a real server."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rae_auto.api.shared_store import Node

JOIN = (
    "INSERT INTO rae_auto.nodes (node, host, machine, boot, pid, directory, seen_at)"
    " VALUES ('{}', 'laptop', '', '', 2, '/var/rae', clock_timestamp() - interval '{} seconds')"
)


@pytest.fixture
def run(make_store: Any, server: Any, tmp_path: Path) -> Any:
    """Return a function that runs a command beside a leader, a stand-by and a silent node."""
    store, directory, config = make_store(lease="5m"), tmp_path / "leader", tmp_path / "rae.toml"
    directory.mkdir(mode=0o700)
    store.stand_by(directory, Node(name="nas-1", host="nas", pid=1, directory="/srv/rae"), lambda _: None)
    store.open(directory)
    server.execute(JOIN.format("near-2", -3600), JOIN.format("far-3", 3600), "SELECT 1")
    config.write_text(f'[store]\ntype = "postgres"\ndsn = "{server.dsn()}"\n')
    config.chmod(0o600)

    def run_command(*words: str) -> tuple[int, str]:
        argv = [sys.executable, "-m", "rae_auto", "postgres", *words, "--config", str(config)]
        done = subprocess.run(argv, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    yield run_command
    store.close()


def test_nodes_are_listed_with_what_they_do(run: Any) -> None:
    code, text = run("nodes")
    assert code == 0
    roles = {words[0]: words[1] for words in (line.split("  ") for line in text.splitlines())}
    assert roles == {"nas-1": "leads", "near-2": "stands by", "far-3": "silent"}
    leading, *others = sorted(text.splitlines(), key=lambda line: "  leads  " not in line)
    assert "  its claim holds until 20" in leading, "which says nothing of what became of it since"
    assert all("  seen 20" in line for line in others)


def test_silent_node_is_declared_dead(run: Any) -> None:
    code, text = run("fence", "far-3")
    assert code == 0
    assert text.startswith("far-3 counts as dead: what it ran there is lost, and on_crash decides")
    assert "far-3  declared dead" in run("nodes")[1]


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        ("nas-1", 'node "nas-1" leads now, so it is alive; stop its daemon'),
        ("near-2", " s ago, so it may be alive; stop its daemon"),
        ("other-4", "no node \"other-4\"; 'rae-auto postgres nodes' lists them"),
    ],
)
def test_living_or_unknown_node_is_not_declared_dead(run: Any, node: str, problem: str) -> None:
    code, text = run("fence", node)
    assert code == 2
    assert problem in text
    assert "declared dead" not in run("nodes")[1]
