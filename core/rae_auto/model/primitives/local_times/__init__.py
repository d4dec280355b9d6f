"""Times as people write them, by the clock of a zone."""

from rae_auto.model.primitives.local_times.grammar import (
    RequestedTime,
    distance_to_nearest,
    find_instants,
    parse_local_time,
    parse_past_time,
)
from rae_auto.model.primitives.local_times.named_days import Direction

__all__ = ["Direction", "RequestedTime", "distance_to_nearest", "find_instants", "parse_local_time", "parse_past_time"]
