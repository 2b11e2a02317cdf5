"""Bits of a NAL unit's payload: read, and written as text of 0 and 1, for headers of a few bytes.

Sources: ITU-T H.264 7.4.1 (emulation prevention), 9.1 (Exp-Golomb codes).
"""

import re

_EMULATES = re.compile(rb"\x00\x00(?=[\x00-\x03])")


def unescaped(payload: bytes) -> bytes:
    """The payload without the bytes that keep start codes out of it."""
    return payload.replace(b"\x00\x00\x03", b"\x00\x00")


def escaped(payload: bytes) -> bytes:
    """The opposite; zeros that only fill the end, which would need one more, are left out."""
    return _EMULATES.sub(b"\x00\x00\x03", payload.rstrip(b"\x00"))


class Bits:
    """Reads from ``at``, in bits, on. ValueError beyond the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def number(self, num_bits: int) -> int:
        """u(n)."""
        first, last = self.at >> 3, (self.at + num_bits + 7) >> 3
        if last > len(self._data):
            raise ValueError("a header ends too early")
        value = int.from_bytes(self._data[first:last], "big") >> (8 * last - self.at - num_bits)
        self.at += num_bits
        return value & ((1 << num_bits) - 1)

    def unsigned(self) -> int:
        """ue(v)."""
        num_zeros = 0
        while not self.number(1):
            num_zeros += 1
            if num_zeros > 32:
                raise ValueError("a number of a header has no end")
        return (1 << num_zeros) - 1 + self.number(num_zeros)

    def signed(self) -> int:
        """se(v)."""
        code = self.unsigned()
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def text(self, start: int, end: int) -> str:
        """Bits ``[start, end)``."""
        first, last = start >> 3, (end + 7) >> 3
        whole = f"{int.from_bytes(self._data[first:last], 'big'):0{8 * (last - first)}b}"
        return whole[start - 8 * first : end - 8 * first] if end > start else ""


def number_text(value: int, num_bits: int) -> str:
    """u(n); nothing for no bits."""
    return f"{value:0{num_bits}b}" if num_bits else ""


def unsigned_text(value: int) -> str:
    """ue(v)."""
    code = f"{value + 1:b}"
    return "0" * (len(code) - 1) + code


def packed(text: str) -> bytes:
    """Whole bytes of bits; their number is a multiple of 8."""
    return int(text, 2).to_bytes(len(text) // 8, "big") if text else b""
