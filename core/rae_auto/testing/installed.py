"""Conformance suite of the packaging of an installed plugin."""

import json
import subprocess
import sys
from functools import lru_cache
from typing import Any, ClassVar

CHECK_SECONDS = 60.0


class InstalledConformance:
    """Conformance suite of an installed plugin. A subclass sets `kind` and `name`, as in `"trigger"` and `"lunar"`.

    It is what `rae-auto plugins check` finds, by entry point, import, hook, class, options and answers. The check has a
    process of its own, because the tests have imported the plugin, which hides what its import costs and prints.
    """

    kind: ClassVar[str]
    name: ClassVar[str]

    def test_plugin_is_installed_once(self) -> None:
        found = check_installed(self.kind, self.name)
        assert len(found) == 1, f"{len(found)} distributions have the {self.kind} {self.name}; uninstall all but one"

    def test_import_is_quick_quiet_and_of_public_names(self) -> None:
        self._refuse("import-time", "import-prints", "private-import")

    def test_options_can_be_given_and_are_documented(self) -> None:
        self._refuse("option-", "example", "docstring")

    def test_nothing_is_found_by_the_check(self) -> None:
        self._refuse("")

    def _refuse(self, *rules: str) -> None:
        found = [
            f"{one['place']}: {one['text']} [{one['rule']}]"
            for plugin in check_installed(self.kind, self.name)
            for one in plugin["findings"]
            if one["rule"].startswith(rules)
        ]
        assert not found, "\n".join(found)


@lru_cache
def check_installed(kind: str, name: str) -> list[dict[str, Any]]:
    """Return the check's findings for an installed plugin. Raises AssertionError with the remedy if it isn't there."""
    command = [sys.executable, "-P", "-m", "rae_auto", "plugins", "check", f"{kind}:{name}", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=CHECK_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"the check of {kind} {name} hangs; run '{' '.join(command[3:])}'") from None
    if not done.stdout:
        raise AssertionError(f'{done.stderr.strip()}; run "pip install -e ." after a new entry point')
    plugins: list[dict[str, Any]] = json.loads(done.stdout)["plugins"]
    return plugins
