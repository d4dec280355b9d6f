"""The command ui passes the suite that commands of others pass."""

import pytest

from rae_auto.testing.commands import CommandConformance
from rae_plugins.commands.ui import Ui


class TestUiConforms(CommandConformance):
    @pytest.fixture
    def plugin(self) -> Ui:
        return Ui()
