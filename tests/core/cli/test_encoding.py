"""Output in a locale that lacks characters."""

import os
import subprocess
import sys
from pathlib import Path


def test_missing_characters_of_a_locale_end_no_command(tmp_path: Path) -> None:
    config = tmp_path / "rae.toml"
    config.write_text('[jobs.a]\ncommand = ["echo", "日本"]\n', encoding="utf-8")
    config.chmod(0o600)
    command = [sys.executable, "-m", "rae_auto", "show", "a", "--config", str(config)]
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "RAE_STATE_DIR": str(tmp_path / "state")}
    shown = subprocess.run(command, env=environment, capture_output=True, timeout=50)
    assert shown.returncode == 0, shown.stderr
    assert b"\\u65e5\\u672c" in shown.stdout
