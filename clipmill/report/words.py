"""Numbers, times and names as a person reads them. What is not there is a dash, never ``nan`` or ``None``."""

import json
import math
import unicodedata

DASH = "\u2013"
MAX_TEXT_CHARS = 1000

# Explicit bidirectional controls: in a file name they make the text around it read as something else.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_missing(value: float | None) -> bool:
    """Whether a number is null, NaN or infinite."""
    return value is None or not math.isfinite(value)


def number(value: float | None, *, digits: int = 3) -> str:
    """``value`` with so many significant digits; below 0.0001 with an exponent."""
    if value is None or not math.isfinite(value):
        return DASH
    if value == 0:
        return "0"
    if abs(value) < 1e-4:
        return _short_exponent(f"{value:.{digits - 1}e}")
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def exact(value: float) -> str:
    """A threshold as it was set: ``2``, ``0.00098``, ``1e-6``."""
    return _short_exponent(f"{value:.10g}") if 0 < abs(value) < 1e-4 else f"{value:,.10g}"


def count(value: int | None) -> str:
    """A whole number with its thousands marked."""
    return DASH if value is None else f"{value:,}"


def percent(part: float, whole: float) -> str:
    """A share in percent; under 0.1 % it is named so rather than shown as nothing."""
    if whole <= 0:
        return DASH
    share = 100 * part / whole
    return "<0.1 %" if 0 < share < 0.1 else f"{share:.1f} %"


def length(seconds: float | None) -> str:
    """A stretch of time: ``7.70 s``, ``12 min 05 s``, ``3 h 10 min``, ``1,204 h``."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes < 6000 else f"{minutes / 60:,.0f} h"


def timecode(seconds: float | None) -> str:
    """A place in a video: ``0:12.40``, ``1:02:03.40``."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    hundredths = round(seconds * 100)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 100:02d}.{rest % 100:02d}"
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def size(num_bytes: int | None) -> str:
    """A number of bytes in the decimal unit that fits."""
    if num_bytes is None:
        return DASH
    value, unit = float(num_bytes), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            break
        value /= 1000
    return f"{num_bytes} B" if unit == "B" else f"{value:.1f} {unit}"


def yes_no(value: bool | None) -> str:
    """A flag."""
    return DASH if value is None else "yes" if value else "no"


def reason(name: str) -> str:
    """``low_motion`` as ``low motion``."""
    return plain(name).replace("_", " ")


def plain(text: str | None, *, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Text of the data without control characters (shown as U+FFFD) and not longer than ``max_chars``.

    This is about what a reader sees; escaping for HTML or JSON happens where the text is put.
    """
    if not text:
        return DASH
    shown = "".join(_visible(char) for char in text[:max_chars])
    return shown + "…" if len(text) > max_chars else shown


def _short_exponent(text: str) -> str:
    return text.replace("e-0", "e-")


def _visible(char: str) -> str:
    if char in "\t\n\r":
        return " "
    return "\ufffd" if char in _BIDI or unicodedata.category(char) in ("Cc", "Cs") else char


def script_json(value: object) -> str:
    """JSON that stays JSON inside a ``<script>`` element, whatever its strings hold.

    No ``<``, ``>`` or ``&`` is left, so neither ``</script>`` nor ``<!--`` can appear. U+2028 and U+2029,
    which end a line in older JavaScript, are escaped with all else outside ASCII. NaN is an error: not JSON.
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"), sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
