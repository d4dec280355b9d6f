from pathlib import Path

import pytest
from rae_auto.testing.commands import CommandConformance, FakeClient, FakeContext
from rae_auto.testing.installed import InstalledConformance

from {{ cookiecutter.__module }} import {{ cookiecutter.__class }}


class TestConformance(CommandConformance):
    @pytest.fixture
    def plugin(self) -> {{ cookiecutter.__class }}:
        return {{ cookiecutter.__class }}()


def test_runs_are_shown_with_their_states(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    client = FakeClient({"history": [{"job": "backup", "state": "failed"}]})
    assert {{ cookiecutter.__class }}(limit=1).run(FakeContext(tmp_path, client)) == 0
    assert client.calls == [("history", {"limit": 1})]
    assert capsys.readouterr().out == "backup failed\n"
