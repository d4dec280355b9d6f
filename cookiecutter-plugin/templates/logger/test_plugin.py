import pytest
from rae_auto.testing.installed import InstalledConformance
from rae_auto.testing.loggers import LoggerConformance

from {{ cookiecutter.__module }} import {{ cookiecutter.__class }}


class TestConformance(LoggerConformance):
    @pytest.fixture
    def plugin(self) -> {{ cookiecutter.__class }}:
        return {{ cookiecutter.__class }}()

    @pytest.fixture
    def read(self, directory):
        return (directory / "{{ cookiecutter.name }}.log").read_text
