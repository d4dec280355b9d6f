import pytest
from rae_auto.testing.installed import InstalledConformance
from rae_auto.testing.sources import SourceConformance

from {{ cookiecutter.__module }} import {{ cookiecutter.__class }}


class TestConformance(SourceConformance):
    @pytest.fixture
    def plugin(self) -> {{ cookiecutter.__class }}:
        return {{ cookiecutter.__class }}(name="door.opened", count=2)

    async def provoke(self, listener, number: int) -> None:
        for _ in range(2):
            await listener.events.record("door.opened")

