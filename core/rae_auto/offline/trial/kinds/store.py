"""Trials of stores: the conformance suite, in a process of its own, test by test."""

import asyncio
import json
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from typing import Any

from rae_auto.model import documents
from rae_auto.model.primitives.formatting import format_count
from rae_auto.offline.trial.kinds.base import PluginTrial, TrialContext
from rae_auto.offline.trial.messages import TrialRequest, TrialSection
from rae_auto.toolkit.extras import install_command

MODULE = "rae_auto.offline.trial.kinds.store_suite"


class StoreTrial(PluginTrial):
    """A trial of a store."""

    def __init__(self, plugin: Any, context: TrialContext, request: TrialRequest) -> None:
        super().__init__(plugin, context)
        self._request = request
        self._state = "starting"
        self._passed = self._skipped = 0
        self._failed: dict[str, list[str]] = {}

    async def begin(self) -> None:
        """Run the suite, unless the options are placeholders."""
        if self.context.has_own_options:
            await self.ask()
        else:
            self._state = "not run: the options are those of the example; give your own, or press a to run it anyway"

    async def ask(self) -> None:
        """Run the suite."""
        if find_spec("pytest") is None:
            self._state = f"not run: it needs pytest; run '{install_command('testing')}'"
        elif self.is_complete:
            self.in_background(self._run())

    def sections(self) -> Iterable[TrialSection]:
        """Return the results of the suite so far."""
        counts = [format_count(self._passed, "test") + " passed"] if self._passed else []
        failed = sum(map(len, self._failed.values()))
        counts += [f"{failed} failed"] if failed else []
        counts += [f"{self._skipped} skipped"] if self._skipped else []
        yield TrialSection("conformance suite", (", ".join([self._state, *counts]),))
        if self._failed:
            tests = [(test, problems[0], len(problems) - 1) for test, problems in self._failed.items()]
            yield TrialSection(
                "failed", tuple(f"{test}: {text}{f' ({n} more)' if n else ''}" for test, text, n in tests)
            )

    async def _run(self) -> None:
        self._state, self._passed, self._skipped, self._failed = "running", 0, 0, {}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-B", "-m", MODULE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdin is not None and process.stdout is not None
        body = {"kind": self.plugin.type, "body": documents.dump(self._request)}
        process.stdin.write(f"{json.dumps(body)}\n".encode())
        async for line in process.stdout:
            self._take(json.loads(line)["body"])
        code = await process.wait()
        self._state = "done" if code in (0, 1) else f"warning: ended with exit code {code}"

    def _take(self, report: dict[str, Any]) -> None:
        match report["outcome"]:
            case "passed":
                self._passed += 1
            case "skipped":
                self._skipped += 1
            case _:
                test = report["test"].partition("[")[0]
                self._failed.setdefault(test, []).append(report["problem"])
        self.is_changed = True
