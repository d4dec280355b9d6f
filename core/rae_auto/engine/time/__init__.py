"""Time as the engine sees it: due instants, missed ones, alarms, and clocks that jump. No state of runs in here."""
