"""Views: functions from records to the text and tables that people see."""
