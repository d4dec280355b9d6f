"""The settings of the user for ssh: where they are looked for, and what of them doesn't count."""

import asyncio
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rae_executor_ssh import SshExecutor
from rae_executor_ssh.ssh_command import build_command

from rae_auto.api.plugin import Kind
from rae_auto.config.relative_paths import resolve_ref
from rae_auto.model.plugin_ref import PluginRef


@pytest.mark.parametrize("is_relative", [False, True])
def test_settings_are_found_below_home_and_beside_the_configuration(
    make_executor: Any, server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_relative: bool
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(server.config, tmp_path / "jobs")
    plugins: Any = SimpleNamespace(names=lambda _: {"ssh"}, get=lambda *_: SshExecutor)
    ref = PluginRef(type="ssh", options={"host": "box", "config": "jobs" if is_relative else "~/jobs"})
    found = resolve_ref(ref, Kind.EXECUTOR, plugins, tmp_path).options["config"]
    assert make_executor(config=found).problems(Path()) == ()


def test_dead_connection_is_noticed_whatever_the_user_has_set(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n  ServerAliveInterval 0\n  ServerAliveCountMax 100\n")
    ssh, *options, _, host, _ = build_command("nas", str(config), "python3")
    shown = subprocess.run([ssh, "-G", *options, host], capture_output=True, text=True, check=True).stdout
    found = dict(line.split(" ", 1) for line in shown.splitlines())
    assert (found["serveraliveinterval"], found["serveralivecountmax"]) == ("5", "2")


def test_connection_is_never_shared_with_the_users_sessions(make_executor: Any, server: Any, tmp_path: Path) -> None:
    """`ControlMaster auto` in the user's settings would make ours the one that his sessions hang on."""
    config = tmp_path / "config"
    config.write_text(f"{server.config.read_text()}  ControlMaster auto\n  ControlPath {tmp_path}/shared\n")

    async def scene() -> None:
        executor = make_executor(config=str(config))
        assert await executor.check_readiness() is None
        assert not (tmp_path / "shared").exists()
        await executor.close()

    asyncio.run(scene())
