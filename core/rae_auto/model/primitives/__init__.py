"""Values that everything else is made of: instants, names, durations, sizes, zones, JSON values, problems."""
