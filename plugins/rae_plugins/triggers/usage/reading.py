"""The part that reads idle spells, or use, where the options say; what it needs is imported with it."""

from datetime import timedelta

from attrs import field, frozen

from rae_auto.api import SourceTrigger
from rae_plugins.triggers.usage.options import Source


@frozen
class Reading:
    """Where it is read."""

    source: Source | None
    url: str
    api_key: str | None = field(repr=False)

    def use(self, application: str | None, title: str | None, *, not_afk: bool) -> SourceTrigger:
        """Tells of the use of an application."""
        from rae_plugins.triggers.usage.activitywatch_source import ActivityWatchUse
        from rae_plugins.triggers.usage.application_source import ApplicationSource

        if self.source is not Source.ACTIVITYWATCH:
            assert application is not None
            return ApplicationSource(application=application, not_afk=not_afk)
        return ActivityWatchUse(
            application=application, title=title, not_afk=not_afk, url=self.url, api_key=self.api_key
        )

    def idle(self, after: timedelta) -> SourceTrigger:
        """Tells of spells without input of at least `after`."""
        from rae_plugins.triggers.usage.activitywatch_source import ActivityWatchIdle
        from rae_plugins.triggers.usage.idle_source import IdleSource

        if self.source is not Source.ACTIVITYWATCH:
            return IdleSource(after=after)
        return ActivityWatchIdle(after=after, url=self.url, api_key=self.api_key)
