"""What every plugin is: an attrs class whose fields are its options."""

from typing import ClassVar


class Plugin:
    """Base of all plugins.

    A plugin is an attrs class: its fields are its options, their types and defaults check and document the
    configuration, a field's `metadata={"help": …}` explains it. A field called `from_` is the option `from`.
    """

    type: ClassVar[str]
    """The word by which a configuration chooses the plugin; equal to the name of its entry point."""

    @classmethod
    def available(cls) -> str | None:
        """Why the plugin can't serve on this machine, in one line, or None if it can. Quick, without side effects."""
        return None
