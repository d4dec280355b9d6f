"""Our style, script and icon: read once, compressed once, and named by their content, so that browsers keep them."""

import gzip
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files

from attrs import frozen
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}

NAMES = ("app.css", "app.js", "icon.svg")
"""All files that a page loads. A name from outside is looked up here, and never joined to a path."""

KEPT = "private, max-age=31536000, immutable"


@frozen
class Asset:
    """A static file."""

    path: str
    media_type: str
    content: bytes
    compressed: bytes


@lru_cache(maxsize=1)
def load_assets() -> dict[str, Asset]:
    """Return the static files by name."""
    return {name: _load(name) for name in NAMES}


def _load(name: str) -> Asset:
    content = files(__package__).joinpath("static", name).read_bytes()
    stem, _, kind = name.rpartition(".")
    path = f"/static/{stem}.{sha256(content).hexdigest()[:12]}.{kind}"
    return Asset(path, TYPES[kind], content, gzip.compress(content, 9, mtime=0))


async def serve_asset(request: Request) -> Response:
    """Answer with a static file; one of another version is not found."""
    for asset in load_assets().values():
        if asset.path == f"/static/{request.path_params['name']}":
            headers = {"cache-control": KEPT, "vary": "accept-encoding"}
            if "gzip" in request.headers.get("accept-encoding", ""):
                return Response(asset.compressed, 200, {**headers, "content-encoding": "gzip"}, asset.media_type)
            return Response(asset.content, 200, headers, asset.media_type)
    raise HTTPException(404)
