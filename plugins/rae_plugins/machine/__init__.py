"""What several plugins need of the machine."""
