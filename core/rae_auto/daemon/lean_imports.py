"""Imports of libraries without what a daemon rarely uses of them, which is loaded when it is first used.

loguru can send records to other processes, for which it imports pickling and `multiprocessing`, and rotates files by
decimal numbers. shutil looks whether it could make archives. That is 1.5 MB of a daemon, whose loggers do neither.
"""

from rae_auto.toolkit.threads.late_tls import import_asyncio_without_tls
from rae_auto.toolkit.threads.stand_ins import LateModule, import_with_stand_ins

_RARELY_USED = {"shutil": ("bz2", "lzma"), "loguru": ("pickle", "multiprocessing.reduction", "decimal")}


def import_libraries() -> None:
    """Import those libraries. Call it before anything else has."""
    import_asyncio_without_tls()
    for library, names in _RARELY_USED.items():
        import_with_stand_ins(library, *map(LateModule, names))
