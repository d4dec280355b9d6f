"""Commands that work without a daemon. They print problems themselves and log nothing."""

import rae_auto.runtime  # noqa: F401 - silences the log
