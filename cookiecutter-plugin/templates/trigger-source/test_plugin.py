from datetime import timedelta
from pathlib import Path

import pytest
from rae_auto.testing.installed import InstalledConformance
from rae_auto.testing.sources import RealTimer, SourceConformance

from {{ cookiecutter.__module }} import {{ cookiecutter.__class }}


class TestConformance(SourceConformance):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> {{ cookiecutter.__class }}:
        self.file = tmp_path / "watched"
        self.file.write_text("at first")
        return {{ cookiecutter.__class }}(path=self.file, every=timedelta(milliseconds=10))

    def timer(self) -> RealTimer:
        return RealTimer()  # the file is on a real disk, so the clocks are real too

    async def ready(self, listener) -> None:
        # The first look has been stored: what changes from now on is seen.
        while not (listener.directory / "state.json").exists():
            await listener.timer.sleep(0.01)

    async def provoke(self, listener, number: int) -> None:
        self.file.write_text(f"text {number}")


@pytest.mark.parametrize("every", [timedelta(0), timedelta(seconds=-1)])
def test_interval_is_more_than_zero(every):
    with pytest.raises(ValueError, match="every"):
        {{ cookiecutter.__class }}(path=Path("x"), every=every)
