"""Sound of FLAC in ogg ends where its page says; FFmpeg begins it where the page before ended.

Behind lost pages, and up to the end of that page, it would be heard too early; at the beginning of another
file, behind the first one. Source: RFC 3533, 6 (a page's
granule position is that of the end of its last packet).
"""

from __future__ import annotations  # PyAV's Packet[...] exists for type checkers only

from dataclasses import replace

from av.audio.stream import AudioStream

from clipmill.media.sound.packets import Heard
from clipmill.media.sound.timing import JITTER_S


class PageEnds:
    """Gives packets the times that the ends of their pages say; other codecs and containers keep theirs.

    A page waits for the first packet of the next one, which begins where it ends.
    """

    def __init__(self, stream: AudioStream) -> None:
        is_flac = stream.codec_context.codec.canonical_name == "flac"
        self._is_needed = is_flac and stream.container.format.name == "ogg"
        self._page: list[Heard] = []

    def take(self, heard: Heard) -> list[Heard]:
        """Takes in the next packet of the file; returns those whose times are known now."""
        if not self._is_needed:
            return [heard]
        if not self._page or heard.packet.pos == self._page[-1].packet.pos:
            self._page.append(heard)
            return []
        page, self._page = self._page, [heard]
        late = heard.start - page[-1].end
        return page if abs(late) <= JITTER_S else [replace(each, start=each.start + late) for each in page]

    def rest(self) -> list[Heard]:
        """Returns the packets of the last page."""
        page, self._page = self._page, []
        return page
