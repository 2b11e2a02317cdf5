"""The options of each encoder: one scale of presets and one of quality for all, in the encoder's own words.

``preset`` has x264's names and ``quality`` x264's scale (0 best, 51 worst). VP9 and AV1 count to 63 and get
the same share of it: near x264's 21 the mean squared error agrees within 15 % for VP9, AV1 loses about 1 dB
more at half the bytes (measured on two films of 720x480 and 864x486).
"""

from __future__ import annotations  # spares the tables below quotation marks

from collections.abc import Callable
from dataclasses import dataclass

from clipmill.machine import has_avx512
from clipmill.stages.encode_options import PRESETS, EncodeOptions

Settings = dict[str, str]

X264_WORST, VPX_WORST = 51, 63
UNBOUND_BIT_RATE = 100_000_000
"""Bits a second for libopenh264, which has no constant quality: so many that its quantiser's bounds act."""
X264_BUT_AVX512 = "asm=AVX2,LZCNT,BMI1,BMI2,SSE2Fast"
"""x264's macroblock tree by AVX-512 reads memory that was never written, where a row has not a multiple of 16
macroblocks: other bytes from run to run. By AVX2 they are the same ones on every processor, as quickly.
"""

_VP9_SPEED = dict(
    zip(
        PRESETS,
        (
            ("realtime", 8), ("realtime", 8), ("realtime", 7), ("good", 5), ("good", 4), ("good", 3),
            ("good", 2), ("good", 1), ("good", 0), ("best", 0),
        ),
        strict=True,
    )
)  # fmt: skip
_AV1_SPEED = dict(zip(PRESETS, (12, 11, 10, 9, 8, 7, 6, 5, 4, 2), strict=True))
_NVENC_SPEED = dict(zip(PRESETS, (1, 1, 2, 3, 3, 4, 5, 6, 7, 7), strict=True))


@dataclass(frozen=True)
class Encoding:
    """How an encoder is driven. ``settings`` gives its options; with a bit rate no quality is among them."""

    codec: str
    settings: Callable[[EncodeOptions, int | None], Settings]


def settings_of(name: str, options: EncodeOptions, bit_rate: int | None) -> Settings:
    """Options of the encoder ``name``; ``bit_rate`` (bits a second) None means constant quality."""
    return ENCODINGS[name].settings(options, bit_rate)


def _share_of_63(quality: int) -> str:
    return str(round(quality * VPX_WORST / X264_WORST))


def _x264(options: EncodeOptions, bit_rate: int | None) -> Settings:
    steady = {"x264-params": X264_BUT_AVX512} if has_avx512() else {}
    return {"preset": options.preset} | steady | ({} if bit_rate else {"crf": str(options.quality)})


def _vp9(options: EncodeOptions, bit_rate: int | None) -> Settings:
    deadline, speed = _VP9_SPEED[options.preset]
    quality = {} if bit_rate else {"crf": _share_of_63(options.quality)}
    return {"deadline": deadline, "cpu-used": str(speed), **quality}


def _av1(options: EncodeOptions, bit_rate: int | None) -> Settings:
    threads = {"svtav1-params": f"lp={options.encoder_threads}"}
    quality = {} if bit_rate else {"crf": _share_of_63(options.quality)}
    return {"preset": str(_AV1_SPEED[options.preset]), **threads, **quality}


def _nvenc(options: EncodeOptions, bit_rate: int | None) -> Settings:
    quality = {} if bit_rate else {"rc": "vbr", "cq": str(max(options.quality, 1))}  # 0 would mean automatic
    return {"preset": f"p{_NVENC_SPEED[options.preset]}", **quality}


def _openh264(options: EncodeOptions, bit_rate: int | None) -> Settings:
    if bit_rate:
        return {"rc_mode": "bitrate"}
    quantiser = str(options.quality)
    return {"rc_mode": "quality", "b:v": str(UNBOUND_BIT_RATE), "qmin": quantiser, "qmax": quantiser}


ENCODINGS = {
    "libx264": Encoding("h264", _x264),
    "libopenh264": Encoding("h264", _openh264),
    "h264_nvenc": Encoding("h264", _nvenc),
    "libvpx-vp9": Encoding("vp9", _vp9),
    "libsvtav1": Encoding("av1", _av1),
}
