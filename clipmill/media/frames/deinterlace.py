"""Interlaced frames as whole pictures: two fields of different instants, woven line by line, show combs.

A frame is deinterlaced if it is flagged as interlaced and has combs. Flags alone lie: programmes of 25 whole
pictures are broadcast as 50 fields. A comb without a flag is left alone: which field comes first is unknown.
"""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame

from clipmill.media.frames.render import gray

COMB_STEP = 15
"""Luma by which a line differs from both its neighbours where it is of another instant."""
BLOCK, COLUMN_STEP = 16, 2
"""Sides of a block in pixels; every second column is looked at."""
COMBED_SHARE = 0.25
"""Share of a block that has to be combed: a bar that moves by 4 pixels. One of 14 films of whole pictures
reaches 0.26, in one frame."""
INSTANTS_RATIO = 1.3
"""Ratio of combed places between the two ways to weave two frames from which on their fields are of different
instants. Of eleven films of whole pictures with fine stripes one reaches 1.16; six films of fields have at
least 1.46."""
_LINES_AROUND = 2
"""Lines above and below that a line is compared with."""


def is_combed(frame: VideoFrame) -> bool:
    """Returns True if any block of a frame shows lines of two instants."""
    luma = gray(frame)[:, ::COLUMN_STEP]
    return any(_holds_combs(luma[rows].astype(np.int16)) for rows in _rows_of_blocks(len(luma)))


def are_of_two_instants(frame: VideoFrame, following: VideoFrame) -> bool:
    """Returns True if the combs of a frame come from fields of two instants, not from fine stripes.

    The second field of a frame and the first of the following one are neighbours in time, the other two are
    three fields apart: woven, these show more combs. Of two whole pictures both weaves show as many.
    """
    one, other = (gray(each)[:, ::COLUMN_STEP] for each in (frame, following))
    if one.shape != other.shape:
        return False
    pairs = (one, other), (other, one)
    counts = [np.count_nonzero(_combs(_woven(*pair).astype(np.int16))) for pair in pairs]
    return bool(max(counts) > INSTANTS_RATIO * min(counts))


def _rows_of_blocks(height: int) -> Iterator[slice]:
    """Blocks side by side at a time, with lines around: what is worked out of them stays in the caches."""
    for top in range(0, height - BLOCK - 2 * _LINES_AROUND + 1, BLOCK):
        yield slice(top, top + BLOCK + 2 * _LINES_AROUND)


def _woven(even: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """The even lines of one picture and the odd ones of another."""
    woven = even.copy()
    woven[1::2] = odd[1::2]
    return woven


def _combs(luma: np.ndarray, *, least: float = 1) -> np.ndarray:
    """Returns where lines differ from both their neighbours; at once where fewer than ``least`` stand out.

    ``luma`` (int16) has two lines more above and below than what is returned.
    """
    line, above, below = luma[2:-2], luma[1:-3], luma[3:-1]
    up, down = line - above, line - below
    stands_out = (np.minimum(up, down) > COMB_STEP) | (np.maximum(up, down) < -COMB_STEP)
    if np.count_nonzero(stands_out) < least:
        return np.zeros_like(stands_out)
    # The lines two away are of the same instant: they are like this one.
    curve = np.abs(luma[:-4] + 4 * line + luma[4:] - 3 * (above + below))
    return stands_out & (curve > 6 * COMB_STEP)


def _holds_combs(luma: np.ndarray) -> bool:
    """Whether a block in a row of blocks does; int16, with the two lines above and below them."""
    least = COMBED_SHARE * BLOCK * BLOCK // COLUMN_STEP
    counts = _combs(luma, least=least).sum(0)
    across = BLOCK // COLUMN_STEP
    columns = len(counts) // across
    return bool(counts[: columns * across].reshape(columns, across).sum(1).max(initial=0) >= least)


def has_fields(frame: VideoFrame) -> bool:
    """Returns True for a frame that has to be deinterlaced."""
    return frame.interlaced_frame and is_combed(frame)


class WholePictures:
    """Makes whole pictures of the frames of a film that need it, by the frames before and after each.

    FFmpeg's bwdif keeps the field that is shown first and makes the lines of the other one. The result
    depends on the three frames only.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._graph_for: tuple[int, int, str] | None = None
        self._pushed: tuple[VideoFrame, VideoFrame] | None = None
        self._made: tuple[VideoFrame, VideoFrame] | None = None

    def of(self, frame: VideoFrame, *, before: VideoFrame | None, after: VideoFrame | None) -> VideoFrame:
        """Returns a frame as it is, or deinterlaced; without a neighbour it stands for itself."""
        if self._made is not None and self._made[0] is frame:
            return self._made[1]
        made = self.deinterlaced(frame, before=before, after=after) if has_fields(frame) else frame
        self._made = frame, made
        return made

    def deinterlaced(
        self, frame: VideoFrame, *, before: VideoFrame | None, after: VideoFrame | None
    ) -> VideoFrame:
        """Returns the picture of a frame's first field, with the frame's tags."""
        graph = self._graph_of(frame)
        wanted = [_like(before, frame), frame, _like(after, frame)]
        is_next = self._pushed is not None and all(
            had is want for had, want in zip(self._pushed, wanted, strict=False)
        )
        made: VideoFrame | None = None
        for one in wanted[2:] if is_next else wanted:
            graph.vpush(one)
            made = next(_pulled(graph), made)
        assert made is not None
        self._pushed = wanted[1], wanted[2]
        made.pts, made.duration = frame.pts, frame.duration
        return made

    def _graph_of(self, frame: VideoFrame) -> Graph:
        wanted = (frame.width, frame.height, frame.format.name)
        if self._graph is None or self._graph_for != wanted:
            self._graph, self._graph_for, self._pushed = _build(frame), wanted, None
        return self._graph


class WholeFrames:
    """Takes the frames of one clip in order and gives whole pictures, of the clip's own frames only.

    A frame that has to be deinterlaced waits for the next one. ``num_made`` counts these.
    """

    def __init__(self) -> None:
        self.num_made = 0
        self._whole = WholePictures()
        self._waiting: tuple[VideoFrame, int, VideoFrame | None] | None = None
        self._before: VideoFrame | None = None

    def take(self, frame: VideoFrame, pts: int) -> Iterator[tuple[VideoFrame, int]]:
        """Yields the pictures that are ready with this frame, and their pts."""
        yield from self._made(after=frame)
        if has_fields(frame):
            self._waiting = frame, pts, self._before
        else:
            yield frame, pts
        self._before = frame

    def finish(self) -> Iterator[tuple[VideoFrame, int]]:
        """Yields the last picture, where it waits."""
        yield from self._made(after=None)

    def _made(self, *, after: VideoFrame | None) -> Iterator[tuple[VideoFrame, int]]:
        if self._waiting is None:
            return
        frame, pts, before = self._waiting
        self._waiting = None
        self.num_made += 1
        yield self._whole.deinterlaced(frame, before=before, after=after), pts


def _like(other: VideoFrame | None, frame: VideoFrame) -> VideoFrame:
    """A neighbour, or the frame itself where there is none of its size."""
    if other is None:
        return frame
    same = (other.width, other.height, other.format.name) == (frame.width, frame.height, frame.format.name)
    return other if same else frame


def _pulled(graph: Graph) -> Iterator[VideoFrame]:
    try:
        yield graph.vpull()
    except (BlockingIOError, EOFError):
        return


def _build(frame: VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width,
        height=frame.height,
        format=frame.format,
        time_base=frame.time_base or Fraction(1, 1000),
    )
    whole = graph.add("bwdif", "mode=send_frame:parity=auto:deint=all")
    graph.link_nodes(source, whole)
    graph.link_nodes(whole, graph.add("buffersink")).configure()
    return graph
