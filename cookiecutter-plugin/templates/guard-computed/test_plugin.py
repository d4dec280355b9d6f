from datetime import UTC, datetime

import pytest
from rae_auto.api import Verdict
from rae_auto.testing.guards import GuardConformance
from rae_auto.testing.installed import InstalledConformance

from {{ cookiecutter.__module }} import {{ cookiecutter.__class }}


class TestConformance(GuardConformance):
    @pytest.fixture
    def plugin(self) -> {{ cookiecutter.__class }}:
        return {{ cookiecutter.__class }}()


@pytest.mark.parametrize(("day", "verdict"), [(4, Verdict.YES), (5, Verdict.NO)])
def test_verdict_follows_the_day(day, verdict):
    assert {{ cookiecutter.__class }}().evaluate(datetime(2026, 1, day, tzinfo=UTC)).verdict is verdict
