"""Calendars: files of events (iCalendar), entries of dates, and which events cover or begin at an instant."""
