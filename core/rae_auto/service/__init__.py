"""The daemon as a service of the platform: systemd, launchd or the Task Scheduler starts it and keeps it running."""
