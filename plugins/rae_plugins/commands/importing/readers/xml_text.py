"""XML without document types: no entity can be defined in it, so nothing can grow, be fetched or be read from a file.

The bytes say what the encoding is, because what is declared is often wrong: PowerShell writes "UTF-16" at the top of
files in UTF-8, and others the reverse. `schtasks /query /xml` writes several documents one after the other.
"""

import codecs
import re
from pathlib import Path
from xml.etree import ElementTree

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import quote
from rae_plugins.commands.importing.source_files import read_source_bytes

_DECLARATION = re.compile(r"<\?xml[^>]*\?>")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)


def decode_xml(content: bytes) -> str:
    """Return the text of an XML file, in the encoding that its bytes are in."""
    for begin, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(begin):
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        # What a console of Windows in western Europe writes.
        return content.decode("cp1252", errors="replace")


def read_xml(path: Path, kind: str) -> ElementTree.Element:
    """Return an element that holds all elements of a file. `kind` names it in messages. Errors: BadRequest."""
    text = decode_xml(read_source_bytes(path, kind))
    if re.search(r"<!(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise BadRequest(f"{quote(path)} defines a document type, which {kind} never does; remove it")
    plain = _DECLARATION.sub("", text)
    try:
        # Without a document type there are no entities but the five of XML.
        return ElementTree.fromstring(f"<all>{plain}</all>")  # noqa: S314
    except (ElementTree.ParseError, ValueError) as error:
        raise BadRequest(f"{quote(path)} is not valid XML: {error}; name the file that is {kind}") from None


def local_name(element: ElementTree.Element) -> str:
    """Return the name of an element without its namespace."""
    return element.tag.rpartition("}")[2]
