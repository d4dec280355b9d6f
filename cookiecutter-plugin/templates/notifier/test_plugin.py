import json

import pytest
from rae_auto.testing.installed import InstalledConformance
from rae_auto.testing.notifiers import NotifierConformance

from {{ cookiecutter.__module }} import {{ cookiecutter.__class }}


class TestConformance(NotifierConformance):
    @pytest.fixture
    def plugin(self, tmp_path) -> {{ cookiecutter.__class }}:
        return {{ cookiecutter.__class }}(path=tmp_path / "notices")

    @pytest.fixture
    def failing(self, tmp_path) -> {{ cookiecutter.__class }}:
        return {{ cookiecutter.__class }}(path=tmp_path / "missing" / "notices")

    @pytest.fixture
    def read(self, tmp_path):
        return lambda: [json.loads(line)["text"] for line in (tmp_path / "notices").read_text().splitlines()]
