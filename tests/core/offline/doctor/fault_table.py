"""The table of faults that `rae-auto doctor` must find."""

from collections.abc import Callable

from attrs import frozen
from tests.support.faulty_machine import World

Plant = Callable[[World], object]


@frozen
class Fault:
    """A fault: what it is, how it is planted, and the line of `doctor` as a pattern."""

    name: str
    plant: Plant
    line: str


FAULTS: list[Fault] = []


def fault(name: str, line: str) -> Callable[[Plant], Plant]:
    """Add a fault to the table; in the pattern of its line `…` stands for any text."""

    def add(plant: Plant) -> Plant:
        FAULTS.append(Fault(name, plant, line))
        return plant

    return add


def in_toml(name: str, text: str, line: str) -> None:
    FAULTS.append(Fault(name, lambda world: world.add(text), line))
