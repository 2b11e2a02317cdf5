"""Web addresses as names: without what signs a request, which changes and is secret. Pure."""

import re
from urllib.parse import urlsplit, urlunsplit

_SIGNS = re.compile(r"x-(amz|goog)-.*|signature|sig|token|access_token|hdnts|hdnea|__gda__", re.IGNORECASE)
_SIGNED = re.compile(
    r"expires|expiry|policy|key-pair-id|awsaccesskeyid|googleaccessid"
    r"|s[vrtepsi]|srt|sip|spr|ske|skt|sks|skv|skoid|sktid",
    re.IGNORECASE,
)
"""Parameters that belong to a signature, where there is one."""
_WRITTEN_OUT = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")


def without_secrets(url: str) -> str:
    """Returns an address without user, password, fragment and the parameters of a signature.

    Other parameters may say which file is meant, and stay.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = [one for one in parts.query.split("&") if one]
    names = [one.partition("=")[0] for one in query]
    if any(_SIGNS.fullmatch(name) for name in names):
        pairs = zip(query, names, strict=True)
        query = [one for one, name in pairs if not (_SIGNS.fullmatch(name) or _SIGNED.fullmatch(name))]
    return urlunsplit((parts.scheme, host, parts.path, "&".join(query), ""))


def is_written_out(url: str) -> bool:
    """Whether an address holds only characters that are sent as they are: a signature stays what it was."""
    return _WRITTEN_OUT.fullmatch(url) is not None


def climbs(url: str) -> bool:
    """Whether a client would take parts of the path for steps up or on the spot."""
    parts = urlsplit(url).path.lower().replace("%2e", ".").split("/")
    return not {".", ".."}.isdisjoint(parts)
