"""Names under which programs write before they rename, or that they leave beside a file.

A name is listed where its form is the program's own; a form that people give to files of theirs too, such as
`name.bak`, is not, because a file that is ignored is never reported. Sources: the manual pages and source code of the
programs, and what they were seen to write.
"""

import re
from collections.abc import Mapping

TEMPORARY_NAMES: Mapping[str, tuple[str, ...]] = {
    "editors: backups, swap files and locks of vim, emacs, nano, Kate and JetBrains": (
        *("*~", ".*.sw?", "*.sw[nopx]", "4913", ".#*", "#*#", ".*.kate-swp", "*___jb_tmp___", "*___jb_old___"),
    ),
    "any program": ("*.tmp", "*.temp"),
    "browsers: Firefox, Chromium, Edge, Safari, Opera": (
        *("*.part", "*.crdownload", "*.partial", "*.download", "*.opdownload"),
        *(".com.google.Chrome.*", ".org.chromium.Chromium.*"),
    ),
    "downloads: aria2, yt-dlp, lftp": ("*.aria2", "*.ytdl", "*.part-Frag*", "*.lftp-pget-status"),
    "torrent clients: Transmission, qBittorrent, µTorrent, BitComet, aMule": (
        *("*.!qB", ".*.parts", "*.!ut", "*.!bt", "*.bc!", "*.part.met", "*.part.met.bak"),
    ),
    "transfers: WinSCP, Pure-FTPd, ProFTPD, Nextcloud and its clients": (
        *("*.filepart", ".pureftpd-upload.*", ".in.*.", "*.ocTransferId*", ".*.~[0-9a-f]*", ".sync_*.db*"),
    ),
    "Office and LibreOffice: locks": ("~$*", ".~lock.*#"),
    "GLib and desktop portals": (".goutputstream-*", ".xdp-*"),
    "macOS": ("._*", ".DS_Store", ".AppleDouble", ".TemporaryItems", "*.sb-????????-??????"),
    "Windows": ("Thumbs.db", "ehthumbs.db", "desktop.ini"),
    "file systems: NFS, FUSE, Samba": (".nfs[0-9]*", ".fuse_hidden*", ".smbdelete*"),
}
"""Patterns of names, by what writes them."""

RSYNC_NAME = re.compile(r"\..+\.(?![a-z]{6}$)[A-Za-z0-9]{6}")
"""A name that rsync writes: `.NAME.XXXXXX`, at random.

One in two hundred has six small letters, and can't be distinguished from names such as `.env.sample`, which are other
people's files.
"""


def is_temporary_by_form(name: str) -> bool:
    """Return whether a name has a temporary form that no pattern can express."""
    return RSYNC_NAME.fullmatch(name) is not None


def list_patterns() -> list[str]:
    """Return all patterns of temporary names."""
    return [pattern for patterns in TEMPORARY_NAMES.values() for pattern in patterns]
