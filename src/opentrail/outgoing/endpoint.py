"""A URL taken apart strictly, so that what is judged is what is called.

Whatever two readers of URLs could read differently is no URL here: backslashes, blanks and control characters, a second
``@``, an escaped host, numbers for hosts in any spelling but four decimal parts.
"""

import base64
import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from opentrail.outgoing.addresses import Address, read_address

MAX_URL_CHARACTERS = 2048

_PORTS = {"https": 443, "http": 80}
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_ALLOWED = re.compile(r"[\x21-\x7e]*")


class UnusableUrl(ValueError):
    """The text is no URL that may be called. The message never quotes it, since it may hold a token."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a call goes. ``host`` is a lower-case name in its ASCII form, or an address; ``target`` is path and query;
    ``authorization`` the value of that header for the user name and password that the URL had, "" for none."""

    scheme: str
    host: str
    port: int
    target: str
    authorization: str = ""

    @property
    def address(self) -> Address | None:
        """The address that the URL names, None when it names a host."""
        return read_address(self.host)

    @property
    def url(self) -> str:
        """The URL without user name and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.target}"


def parse_endpoint(url: str) -> Endpoint:
    """Take a URL apart. Raises UnusableUrl."""
    if len(url) > MAX_URL_CHARACTERS:
        raise UnusableUrl(f"a URL has at most {MAX_URL_CHARACTERS} characters")
    if any(character <= " " or character in "\\\x7f" for character in url):
        raise UnusableUrl("a URL has no blanks, control characters and backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UnusableUrl("the URL cannot be read") from None
    scheme = parts.scheme
    if scheme not in _PORTS or not url.lower().startswith(f"{scheme}://"):
        raise UnusableUrl("a URL starts with http:// or https://")
    userinfo, _, place = parts.netloc.rpartition("@")
    if "@" in userinfo or port == 0 or place.endswith(":"):
        raise UnusableUrl("the URL's host cannot be read")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _ALLOWED.fullmatch(target):
        raise UnusableUrl("path and query of a URL are ASCII, other characters escaped")
    return Endpoint(scheme, _host(place), port or _PORTS[scheme], target, _authorization(userinfo))


def _host(place: str) -> str:
    if place.startswith("["):
        literal = place[1:].partition("]")[0]
        address = read_address(literal)
        if address is None or ":" not in literal:
            raise UnusableUrl("the URL's address cannot be read")
        return str(address)
    text = place.partition(":")[0]
    if "%" in text:
        raise UnusableUrl("a URL's host is not escaped")
    name = _ascii(text).removesuffix(".")
    if read_address(name) is not None:
        return name
    if not _NAME.fullmatch(name) or _NUMBER.fullmatch(name.rpartition(".")[2]):
        raise UnusableUrl("the URL's host is neither a name nor an address as usually written")
    return name


def _ascii(text: str) -> str:
    """Return a host in lower case and ASCII, as resolvers are asked for it."""
    if text.isascii():
        return text.lower()
    import idna  # tables that hardly any URL needs

    try:
        return idna.encode(text, uts46=True).decode().lower()
    except idna.IDNAError:
        raise UnusableUrl("the URL's host is no international domain name") from None


def _authorization(userinfo: str) -> str:
    if not userinfo:
        return ""
    name, _, password = userinfo.partition(":")
    said = f"{unquote(name)}:{unquote(password)}".encode()
    return "Basic " + base64.b64encode(said).decode()
