"""Timers of a real `systemd --user` that an import switches off and on. Prints what it saw as JSON."""

import json
import subprocess
import sys
from pathlib import Path

UNITS = Path.home() / ".config" / "systemd" / "user"


def systemctl(*words: str) -> str:
    """Return what systemctl prints."""
    return subprocess.run(["systemctl", "--user", *words], capture_output=True, text=True, timeout=60).stdout.strip()


def states() -> dict[str, list[str]]:
    """Return whether each timer is enabled and active."""
    names = ("backup", "backup-other", "idle")
    return {name: [systemctl(ask, f"{name}.timer") for ask in ("is-enabled", "is-active")] for name in names}


def rae_auto(*words: str) -> str:
    """Return what the command prints."""
    command = [sys.executable, "-m", "rae_auto", "import", "systemd", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


def main() -> None:
    """Make three timers, of which one starts nothing that can be imported and one is off, and switch them."""
    for name in ("backup", "backup-other", "idle"):
        # The service of the second one is missing, so that one is never imported.
        if name != "backup-other":
            (UNITS / f"{name}.service").write_text("[Service]\nType=oneshot\nExecStart=/bin/true\n")
        (UNITS / f"{name}.timer").write_text(
            "[Unit]\nDefaultDependencies=no\n[Timer]\nOnCalendar=daily\nUnit=" + f"{name}.service\n"
            "[Install]\nWantedBy=default.target\n"
        )
    systemctl("daemon-reload")
    systemctl("enable", "--now", "backup.timer")
    systemctl("enable", "backup-other.timer")
    seen = {"before": states()}
    seen["import"] = rae_auto("--disable-source", "--output", "/run/home/rae.toml")
    seen["disabled"] = states()
    seen["import again"] = rae_auto("--disable-source", "--output", "/run/home/again.toml")
    seen["restore"] = rae_auto("--restore-source")
    seen["restored"] = states()
    seen["restore again"] = rae_auto("--restore-source")
    seen["left"] = sorted(path.name for path in UNITS.glob("*.d"))
    print(json.dumps(seen))


main()
