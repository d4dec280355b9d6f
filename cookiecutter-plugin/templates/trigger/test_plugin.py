from datetime import UTC, datetime, timedelta

import pytest
from rae_auto.testing.installed import InstalledConformance
from rae_auto.testing.triggers import ScheduleConformance

from {{ cookiecutter.__module }} import {{ cookiecutter.__class }}


class TestConformance(ScheduleConformance):
    @pytest.fixture
    def plugin(self) -> {{ cookiecutter.__class }}:
        return {{ cookiecutter.__class }}()


def test_next_after_follows_the_interval():
    trigger = {{ cookiecutter.__class }}(every=timedelta(days=1))
    assert trigger.next_after(datetime(2026, 1, 31, tzinfo=UTC)) == datetime(2026, 1, 31, 18, 14, tzinfo=UTC)


@pytest.mark.parametrize("every", [timedelta(0), timedelta(seconds=-1)])
def test_interval_is_more_than_zero(every):
    with pytest.raises(ValueError, match="every"):
        {{ cookiecutter.__class }}(every=every)
