"""Pure functions from records to what people see."""
