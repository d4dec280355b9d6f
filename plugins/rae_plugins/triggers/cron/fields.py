"""The fields of a cron expression: which values an item such as `8-17/2` or `FRI-MON` names."""

from attrs import frozen

_SHOWN = 40
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def shown(text: str) -> str:
    """`text` as it may stand in a message: quoted, escaped, short."""
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


@frozen
class Field:
    """One column: its name for messages, its range, and the names of its values, the lowest first.

    Values wrap around after `size`: Sunday is 0 and 7.
    """

    name: str
    lowest: int
    highest: int
    size: int
    names: tuple[str, ...] = ()
    wraps: bool = True

    def bad(self, item: str, problem: str) -> ValueError:
        """The error for an item of this field."""
        return ValueError(f"{self.name} {shown(item)}: {problem}")

    def value(self, text: str, item: str) -> int:
        """The value of a number or a name in capitals, which stands in `item`. Errors: ValueError."""
        if text in self.names:
            return self.lowest + self.names.index(text)
        if text.isdecimal() and self.lowest <= (number := int(text)) <= self.highest:
            return number
        names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        raise self.bad(item, f"write values from {self.lowest} to {self.highest}{names}")

    def values(self, item: str) -> set[int]:
        """The values of `*`, `a`, `a-b`, each perhaps with a step `/n`. Errors: ValueError.

        Without an end, steps go on to the field's maximum; a range that runs backwards wraps around.
        """
        span, slash, step_text = item.partition("/")
        step = self._step(item, step_text) if slash else 1
        low, dash, high = span.partition("-")
        if span == "*":
            first, last = self.lowest, self.highest
        else:
            first = self.value(low, item)
            last = self.value(high, item) if dash else self.highest if slash else first
        if last < first:
            if not self.wraps:
                raise self.bad(item, "the range runs backwards; write the earlier year first")
            last += self.size
        return {(value - self.lowest) % self.size + self.lowest for value in range(first, last + 1, step)}

    def _step(self, item: str, text: str) -> int:
        if not text.isdecimal() or (step := int(text)) < 1:
            raise self.bad(item, "a step is a whole number from 1; write it like */5")
        if step > self.size:
            remedy = "; for the first Monday of a month write MON#1 as day of week" if self is DAY else ""
            raise self.bad(item, f"the step is larger than the field; use an interval trigger{remedy}")
        return step


SECOND = Field("second", 0, 59, 60)
MINUTE = Field("minute", 0, 59, 60)
HOUR = Field("hour", 0, 23, 24)
DAY = Field("day of month", 1, 31, 31)
MONTH = Field("month", 1, 12, 12, _MONTHS)
WEEKDAY = Field("day of week", 0, 7, 7, _WEEKDAYS)
YEAR = Field("year", 1970, 2099, 130, wraps=False)
