import asyncio
from pathlib import Path

import pytest
from rae_auto.api import Verdict
from rae_auto.testing.guards import GuardConformance
from rae_auto.testing.installed import InstalledConformance

from {{ cookiecutter.__module }} import {{ cookiecutter.__class }}


class TestConformance(GuardConformance):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> {{ cookiecutter.__class }}:
        return {{ cookiecutter.__class }}(path=tmp_path)


def test_missing_file_blocks_the_start(tmp_path: Path):
    guard = {{ cookiecutter.__class }}(path=tmp_path / "missing")
    assert asyncio.run(guard.read()).verdict is Verdict.NO
