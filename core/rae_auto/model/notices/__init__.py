"""Values about notices that engine and store share."""
