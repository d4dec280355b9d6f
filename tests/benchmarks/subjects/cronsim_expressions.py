"""cronsim, which only reads expressions."""

import time

from cronsim import CronSim
from expressions import FIRST, expression
from figures import report


def measure_expressions(size: int, _: str) -> dict[str, float]:
    """Read expressions, and tell the next start of each."""
    began = time.process_time()
    schedules = [CronSim(expression(n), FIRST) for n in range(size)]
    read = time.process_time()
    for schedule in schedules:
        next(schedule)
    return {"read": (read - began) * 1e3, "next": (time.process_time() - read) * 1e3}


if __name__ == "__main__":
    report({"expressions": measure_expressions})
