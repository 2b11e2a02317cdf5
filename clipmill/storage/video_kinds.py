"""Which files are videos: by their names, and by their first bytes where names do not say. Pure."""

import re

VIDEO_SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".qt", ".mj2", ".3gp", ".3g2", ".f4v", ".mkv", ".webm", ".avi", ".divx",
    ".ts", ".m2ts", ".mts", ".m2t", ".trp", ".tod", ".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".mpv", ".vob",
    ".flv", ".wmv", ".asf", ".wtv", ".ogv", ".ogm", ".rm", ".rmvb", ".mxf", ".gxf", ".dv", ".dif", ".dav",
    ".nut", ".ivf", ".y4m", ".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".h266", ".266", ".vvc",
    ".obu", ".vc1", ".rcv", ".apng", ".mjpeg", ".mjpg", ".h261", ".h263", ".cavs", ".dnxhd", ".ismv",
    ".amv", ".cine", ".lxf", ".nuv", ".nsv", ".pva", ".flc", ".fli", ".roq", ".bik", ".smk", ".mve", ".thp",
    ".usm", ".moflex", ".viv",
)  # fmt: skip
"""Endings that only videos have."""

_TEXT = "txt md pdf html htm xml json jsonl csv tsv yaml yml toml log nfo ini srt vtt ass ssa sub idx lrc xmp"
_DATA = (
    "parquet arrow npy npz pt pth pkl safetensors h5 db sqlite tar gz tgz zip 7z bz2 xz zst rar md5 sha256"
)
_PICTURES = "jpg jpeg bmp tif tiff heic heif svg psd exr ico thm lrv"
_SOUND = "mp3 m4a m4b aac wav flac ogg oga opus wma aif aiff mka ac3 dts"
_REST = "py sh js css exe dll so bin iso m3u m3u8 mpd part tmp crdownload torrent"
OTHER_SUFFIXES = frozenset(f".{name}" for name in " ".join((_TEXT, _DATA, _PICTURES, _SOUND, _REST)).split())
"""Endings of files that are not looked into: no video, the small copy that a camera keeps, or a download
under way."""

HEAD_BYTES, GIF_BYTES = 4096, 1 << 22
"""First bytes of a file that tell what it is; of a GIF, behind whose first picture a second may lie."""
_GIF_PICTURE = re.compile(rb"\x21\xf9\x04.{4}\x00[\x21\x2c]", re.DOTALL)

_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof")
_OTHER_BRANDS = (b"M4A ", b"M4B ", b"heic", b"heix", b"mif1", b"avif")
_MJPEG_SUFFIXES = (".mjpeg", ".mjpg")
_SIGNATURES = (
    b"\x1aE\xdf\xa3", b"FLV\1", b"0&\xb2u", b"DKIF", b".RMF", b"\6\x0e+4", b"nut/multimedia", b"YUV4MPEG2",
    b"\0\0\1\xba", b"\0\0\1\xb3", b"\0\0\1\xb0", b"\0\0\0\0\1\xbc", b"\x1f\7\0", b"DHAV",
    b"\xb7\xd8\0 7I\xda\x11", b"\xf5Fz\xbd", b"\x12\0\x0a", b"\0\0\2\x80\1", b"NuppelVideo",
    b"MythTVVideo", b"NSVf", b"NSVs", b"LUCAM-RECORDER", b"SMK2", b"SMK4", b"Interplay MVE File\x1a",
    b"THP\0",
)  # fmt: skip
"""Matroska, FLV, ASF, IVF, RealMedia, MXF, NUT, YUV4MPEG2, program and video streams of MPEG, GXF, DV, the
recordings of Dahua cameras, Windows Media Center and TiVo, AV1, DNxHD, MythTV, Nullsoft, telescope
cameras, and the films of games."""
_RIFF_KINDS = (b"AVI ", b"AMV ", b"CDXA", b"4XMV")
"""AVI, that of music players, the MPEG of a Video CD, and 4X."""
_FLIC = (b"\x11\xaf", b"\x12\xaf")
_START_CODES = (b"\0\0\0\1", b"\0\0\1")
_FIRST_UNITS = (
    b"\x67", b"\x27", b"\x47", b"\x09", b"\x40\1", b"\x42\1", b"\x46\1", b"\0\x71", b"\0\x79", b"\0\xa1",
)  # fmt: skip
"""A stream of H.264 begins with a parameter set or a delimiter, and so does one of HEVC or VVC."""
_SYNC_EVERY = ((0, 188), (4, 192))
"""First byte of a packet of a transport stream, and how far apart they are."""


def ending_of(uri: str) -> str:
    """Returns the ending of a name in lower case, with its dot; empty for a name without one."""
    stem, dot, ending = uri.rpartition("/")[2].rpartition(".")
    return f".{ending.lower()}" if dot and stem and ending and len(ending) <= 8 else ""


def is_video_name(uri: str) -> bool | None:
    """Returns True for a video by its name, False for what is none; None where its first bytes must tell."""
    ending = ending_of(uri)
    if ending in VIDEO_SUFFIXES:
        return True
    return False if ending in OTHER_SUFFIXES else None


def is_video_head(head: bytes) -> bool:
    """Returns True if a file that begins so is a video, as far as its first ``HEAD_BYTES`` tell."""
    if head[4:8] in _BOXES:
        return head[4:8] != b"ftyp" or head[8:12] not in _OTHER_BRANDS
    return head.startswith(_SIGNATURES) or _is_animation(head) or _is_stream(head)


def is_undecided(head: bytes) -> bool:
    """Returns True for the first ``HEAD_BYTES`` of a GIF that show one picture: ``GIF_BYTES`` tell more."""
    return len(head) == HEAD_BYTES and head.startswith(b"GIF8") and not is_video_head(head)


def _is_animation(head: bytes) -> bool:
    """True for AVI, for Ogg with pictures, for pictures that move, and for what web cameras send."""
    if head.startswith(b"RIFF"):
        return head[8:12] in _RIFF_KINDS or is_animated_webp(head)
    if head.startswith(b"OggS"):
        return any(name in head for name in (b"\x80theora", b"OVP80", b"\1video"))
    if head.startswith(b"GIF8"):
        return b"NETSCAPE2.0" in head or len(_GIF_PICTURE.findall(head)) > 1
    if head.startswith(b"\x89PNG"):
        return b"acTL" in head
    return head[4:6] in _FLIC or (head.startswith(b"--") and b"content-type: image/jpeg" in head.lower())


def is_run_of_jpegs(uri: str, head: bytes) -> bool:
    """Returns True for JPEG pictures one behind the other, which begin as one of them alone does."""
    return head.startswith(b"\xff\xd8") and ending_of(uri) in _MJPEG_SUFFIXES


def is_animated_webp(head: bytes) -> bool:
    """Returns True for WebP with the flag of an animation."""
    return head.startswith(b"RIFF") and head[8:16] == b"WEBPVP8X" and bool(head[20:21] and head[20] & 2)


def _is_stream(head: bytes) -> bool:
    """True for a transport stream, and for a stream of H.264 or HEVC without a container."""
    if any(_has_sync(head, first=first, step=step) for first, step in _SYNC_EVERY):
        return True
    codes = (head[len(code) :] for code in _START_CODES if head.startswith(code))
    return any(unit.startswith(_FIRST_UNITS) for unit in codes)


def _has_sync(head: bytes, *, first: int, step: int) -> bool:
    packets = head[first : first + 4 * step : step]
    return len(packets) >= 3 and set(packets) == {0x47}
