"""Branches of a plugin that tests take."""

from collections.abc import Sequence

from attrs import frozen


@frozen
class BranchCount:
    """Branches of a plugin's modules: how many there are, and those that no test has taken, as FILE:LINE."""

    total: int
    missing: Sequence[str] = ()
