"""The fields of a cron expression, and the values that an item such as `8-17/2` or `FRI-MON` stands for."""

from attrs import frozen

from rae_auto.model.primitives.escaping import quote_short

MAX_QUOTED_CHARS = 40
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


@frozen
class Field:
    """A field: its name in messages, its range, and the names of its values from the lowest on.

    Values wrap around after `size`: Sunday is 0 and 7.
    """

    name: str
    lowest: int
    highest: int
    size: int
    names: tuple[str, ...] = ()
    wraps: bool = True

    def make_error(self, item: str, problem: str) -> ValueError:
        """Return the error for an item of this field."""
        return ValueError(f"{self.name} {quote_short(item, MAX_QUOTED_CHARS)}: {problem}")

    def parse_value(self, text: str, item: str) -> int:
        """Return the value of a number or a name in capitals; `item` is for messages. Errors: ValueError."""
        if text in self.names:
            return self.lowest + self.names.index(text)
        if text.isdecimal() and self.lowest <= (number := int(text)) <= self.highest:
            return number
        names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
        raise self.make_error(item, f"write a value from {self.lowest} to {self.highest}{names}")

    def parse_item(self, item: str) -> set[int]:
        """Return the values of `*`, `a` or `a-b`, each optionally with a step `/n`. Errors: ValueError.

        Steps without an end go on to the maximum of the field; a range that runs backwards wraps around.
        """
        span, slash, step_text = item.partition("/")
        step = self._parse_step(item, step_text) if slash else 1
        low, dash, high = span.partition("-")
        if span == "*":
            first, last = self.lowest, self.highest
        else:
            first = self.parse_value(low, item)
            last = self.parse_value(high, item) if dash else self.highest if slash else first
        if last < first:
            if not self.wraps:
                raise self.make_error(item, "the range runs backwards; write the earlier year first")
            last += self.size
        return {(value - self.lowest) % self.size + self.lowest for value in range(first, last + 1, step)}

    def _parse_step(self, item: str, text: str) -> int:
        if not text.isdecimal() or (step := int(text)) < 1:
            raise self.make_error(item, "the step must be a whole number of at least 1; write it as in */5")
        if step > self.size:
            hint = "; for the first Monday of a month write MON#1 as day of week" if self is DAY else ""
            raise self.make_error(item, f"the step is larger than the field; use an interval trigger{hint}")
        return step


SECOND = Field("second", 0, 59, 60)
MINUTE = Field("minute", 0, 59, 60)
HOUR = Field("hour", 0, 23, 24)
DAY = Field("day of month", 1, 31, 31)
MONTH = Field("month", 1, 12, 12, _MONTHS)
WEEKDAY = Field("day of week", 0, 7, 7, _WEEKDAYS)
YEAR = Field("year", 1970, 2099, 130, wraps=False)
