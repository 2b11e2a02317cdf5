"""High dynamic range pictures as a display of normal range shows them: thumbnails, sampled frames, clips.

Four steps. The transfer function is undone, to light on the display in units of diffuse white (203 cd/m2,
ITU-R BT.2408): PQ by ITU-R BT.2100 table 4, HLG by its table 5 for a display of 1000 cd/m2 (exponent 1.2).
Primaries of BT.2020 (ITU-R BT.2087), or of P3 with the white of D65 (SMPTE EG 432-1), become BT.709's;
pictures without a tag have BT.2020's, the only ones that BT.2100 knows. Light up to ``KNEE`` stays as it is,
more is bent towards white and never reaches it, with the same factor for the three colours, so that hues
stay. Last, the exponent 1/2.4 of ITU-R BT.1886.
"""

import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import cache

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc, VideoReformatter

WHITE_CD_M2 = 203.0
HLG_PEAK_CD_M2 = 1000.0
HLG_EXPONENT = 1.2
KNEE = 0.7
"""Share of diffuse white from which on highlights are compressed: higher keeps walls and skin as graded,
lower keeps more detail in highlights."""
DISPLAY_EXPONENT = 2.4

TABLE_SIDE = 65
"""Points of the table in each direction; with 33 greys are off by 2 of 255."""
_TABLE_FORMAT = "gbrp16le"
_BT709 = 1
_NO_MATRIX = 2
_ANY_TIME_BASE = Fraction(1, 1000)
_NAMES: dict[int, str] = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}

_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
_FROM_2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
_FROM_P3 = np.array(
    [[1.2249, -0.2247, 0.0], [-0.0420, 1.0419, 0.0], [-0.0197, -0.0786, 1.0979]], np.float32
)  # from the chromaticities, as BT.2087 does it
_TO_709: dict[int, np.ndarray] = {
    ColorPrimaries.BT2020: _FROM_2020,
    ColorPrimaries.UNSPECIFIED: _FROM_2020,
    ColorPrimaries.SMPTE432: _FROM_P3,
}


class ToneMap:
    """Maps pictures of one transfer function and set of primaries."""

    def __init__(self, curve: np.ndarray, *, is_scene_light: bool, to_709: np.ndarray | None) -> None:
        self._curve = curve
        self._is_scene_light = is_scene_light
        self._to_709 = to_709

    def __call__(self, rgb: np.ndarray) -> np.ndarray:
        """Uint8 ``(h, w, 3)`` of uint16 ``(h, w, 3)`` over the full range, as coded."""
        return np.rint(255 * self.shares(rgb)).astype(np.uint8)

    def shares(self, rgb: np.ndarray) -> np.ndarray:
        """Float32 ``(..., 3)``, 0 to 1, of uint16 ``(..., 3)`` over the full range, as coded."""
        light = self._curve[rgb]
        if self._is_scene_light:
            light *= _hlg_gain(light @ _LUMA_2020)[..., None]
        if self._to_709 is not None:
            light = np.maximum(light @ self._to_709.T, 0)
        brightest = light.max(axis=-1, keepdims=True)
        light *= _compressed(brightest) / np.maximum(brightest, 1e-6)
        return light ** (1 / DISPLAY_EXPONENT)


class ToneMappedFrames:
    """Maps whole frames to 8 bits of BT.709 by FFmpeg's lut3d, with a table of what a ``ToneMap`` does.

    Colours differ from the ``ToneMap``'s by 0.3 of 255 on average, greys by at most 0.7.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._graph_for: tuple[int, ...] | None = None
        self._deep, self._plain = VideoReformatter(), VideoReformatter()

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """A yuv420p frame tagged as BT.709 of a frame in high dynamic range."""
        wanted = (frame.width, frame.height, frame.color_trc, frame.color_primaries)
        deep = self._deep.reformat(frame, format=_TABLE_FORMAT, src_colorspace=matrix_of(frame), threads=1)
        deep.time_base = frame.time_base or _ANY_TIME_BASE
        if self._graph is None or self._graph_for != wanted:
            self._graph, self._graph_for = _table_graph(deep, frame.color_trc, frame.color_primaries), wanted
        self._graph.vpush(deep)
        plain = self._plain.reformat(
            self._graph.vpull(),
            format="yuv420p",
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            dst_colorspace=Colorspace.ITU709,
            threads=1,
        )
        plain.color_range, plain.colorspace = ColorRange.MPEG, _BT709
        plain.color_primaries, plain.color_trc = ColorPrimaries.BT709, ColorTrc.BT709
        return plain


def high_range(transfer: int) -> str:
    """``PQ`` or ``HLG`` of a transfer tag; empty for normal range."""
    return _NAMES.get(transfer, "")


@cache
def tone_map(transfer: int, primaries: int) -> ToneMap | None:
    """How pictures tagged so are mapped; None for those of normal range, or of no known tag."""
    curve = _CURVES.get(transfer)
    if curve is None:
        return None
    is_scene_light = transfer == ColorTrc.ARIB_STD_B67
    return ToneMap(curve(), is_scene_light=is_scene_light, to_709=_TO_709.get(primaries))


def matrix_of(frame: VideoFrame) -> int:
    """The matrix of a frame's pixels: BT.2020's in high dynamic range without a tag."""
    is_untagged = frame.colorspace == _NO_MATRIX and high_range(frame.color_trc)
    return Colorspace.BT2020 if is_untagged else frame.colorspace


@cache
def _pq_curve() -> np.ndarray:
    """Float32 ``(65536,)``: light in units of diffuse white."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = _codes() ** (1 / m2)
    light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1)
    return (light * 10_000 / WHITE_CD_M2).astype(np.float32)


@cache
def _hlg_curve() -> np.ndarray:
    """Float32 ``(65536,)``: light of the scene, 0 to 1."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    codes = _codes()
    return np.where(codes <= 0.5, codes**2 / 3, (np.exp((codes - c) / a) + b) / 12).astype(np.float32)


_CURVES: dict[int, Callable[[], np.ndarray]] = {
    ColorTrc.SMPTE2084: _pq_curve,
    ColorTrc.ARIB_STD_B67: _hlg_curve,
}


@cache
def _table(transfer: int, primaries: int) -> str:
    """The text of a ``.cube`` file, red running fastest."""
    tone = tone_map(transfer, primaries)
    assert tone is not None
    side = np.rint(np.linspace(0, 65535, TABLE_SIDE)).astype(np.uint16)
    blue, green, red = np.meshgrid(side, side, side, indexing="ij")
    shares = tone.shares(np.stack([red, green, blue], axis=-1).reshape(-1, 3))
    written = np.array([f"{share / 10_000:.4f}" for share in range(10_001)])
    rows = written[np.rint(10_000 * shares).astype(int)].tolist()
    return f"LUT_3D_SIZE {TABLE_SIDE}\n" + "\n".join(map(" ".join, rows)) + "\n"


def _table_graph(frame: VideoFrame, transfer: int, primaries: int) -> Graph:
    graph = Graph()
    graph.threads = 1
    with tempfile.NamedTemporaryFile("w", suffix=".cube", prefix="clipmill-") as file:  # read at once
        file.write(_table(transfer, primaries))
        file.flush()
        source = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        table = graph.add("lut3d", f"file={file.name}:interp=tetrahedral")
        graph.link_nodes(source, table)
        graph.link_nodes(table, graph.add("buffersink")).configure()
    return graph


def _codes() -> np.ndarray:
    return np.linspace(0, 1, 1 << 16)


def _hlg_gain(scene_luminance: np.ndarray) -> np.ndarray:
    """Light on the display, in units of diffuse white, over that of the scene."""
    return HLG_PEAK_CD_M2 / WHITE_CD_M2 * np.maximum(scene_luminance, 1e-6) ** (HLG_EXPONENT - 1)


def _compressed(light: np.ndarray) -> np.ndarray:
    """The identity up to ``KNEE``, from there with the same slope towards 1, which is never passed."""
    above = np.maximum(light - KNEE, 0) / (1 - KNEE)
    return np.where(light <= KNEE, light, KNEE + (1 - KNEE) * above / (1 + above))
