"""Seeded tables of a small run, with previews drawn by code: what the report's tests look at."""

import io
import random
from dataclasses import dataclass
from functools import cache

import pyarrow as pa
from PIL import Image, ImageDraw

from clipmill.base_columns import CLIP_FATE, CLIP_PLACE, WINDOW_PLACE
from clipmill.dataset.schemas import DUPLICATES, REJECTIONS, SHOTS, VIDEOS
from clipmill.errors import StoreError
from clipmill.report.view import ReportTables
from tests.support.stages.report_stages import planned, published

SOURCE = "/data/footage"
ODD_NAME = "<script>alert(1)</script>.mp4"
CURATED = (
    "harbour/morning fog.mp4", "harbour/ferry at noon.mkv", "garden.mov", ODD_NAME,
    'R&D "draft" \u2028 two.mp4',
    "field recordings/2019/very long name of a film that somebody exported twice by mistake (final) (2).webm",
    "Überfahrt - Čeština.mp4", "night_drive.mp4",
)  # fmt: skip
REJECTED = (
    ("notes.mp4", "not_a_video", "cannot read notes.mp4: it holds text, no container was recognised"),
    ("</script><img src=x onerror=alert(2)>.mp4", "unreadable", "moov atom not found in </script>\u2028.mp4"),
    ("broken/truncated.mkv", "no_frames", "the file ends after 1,204 bytes, before the first frame"),
    ("\u202egnp.mp4", "decoder_crashed", "the codec process died (signal 11) in both attempts"),
)
SCHEMAS = {
    "videos": VIDEOS,
    "shots": SHOTS,
    "clips": pa.schema([*CLIP_PLACE, *published(planned(), "clip"), *CLIP_FATE]),
    "windows": pa.schema([*WINDOW_PLACE, *published(planned(), "window")]),
    "rejections": REJECTIONS,
    "duplicates": DUPLICATES,
}
"""Schemas of the tables of a run of the stages of ``report_stages``."""


@dataclass(frozen=True)
class DrawnRun:
    """Tables and the preview files that they name."""

    tables: ReportTables
    files: dict[str, bytes]

    def read_bytes(self, uri: str) -> bytes:
        """A preview; StoreError where there is none."""
        if uri not in self.files:
            raise StoreError(uri, "no such file")
        return self.files[uri]


def table(name: str, rows: list[dict[str, object]]) -> pa.Table:
    """A published table; columns that a row lacks are null."""
    return pa.Table.from_pylist(rows, schema=SCHEMAS[name])


@cache
def drawn_run(*, clips_per_video: int = 8, preview_px: int = 160, seed: int = 7) -> DrawnRun:
    """Eight films of ``clips_per_video`` clips, some filtered or duplicates; and other files."""
    rng = random.Random(seed)
    clips = [_clip(rng, video, index) for video in range(len(CURATED)) for index in range(clips_per_video)]
    _mark_duplicates(clips)
    windows = [_window(clip) for clip in clips if clip["reason"] != "encode_failed"]
    looks_like = {clip["clip_id"]: clip.get("duplicate_of") or clip["clip_id"] for clip in clips}
    index_of = {clip["clip_id"]: index for index, clip in enumerate(clips)}
    files = {
        str(window["preview_uri"]): draw_preview(index_of[looks_like[window["clip_id"]]], width_px=preview_px)
        for index, window in enumerate(windows)
        if index != 5  # one that is named but not there
    }
    tables = ReportTables(
        videos=table("videos", _videos(clips, clips_per_video)),
        shots=table("shots", []),
        clips=table("clips", clips),
        windows=table("windows", windows),
        rejections=table("rejections", _rejections(clips)),
        duplicates=table("duplicates", [_duplicate(clip) for clip in clips if clip["status"] == "duplicate"]),
    )
    return DrawnRun(tables, files)


def draw_preview(index: int, *, width_px: int = 160, num_frames: int = 4) -> bytes:
    """An animated WebP of a disc that crosses a two-tone ground; each index has its own colours."""
    hue = (index * 37) % 360
    frames = [_frame(hue, step / num_frames, (width_px, width_px * 9 // 16)) for step in range(num_frames)]
    out = io.BytesIO()
    options = {"append_images": frames[1:], "duration": 500, "loop": 0, "quality": 60, "method": 0}
    frames[0].save(out, "WEBP", save_all=True, **options)
    return out.getvalue()


def _frame(hue: int, place: float, size: tuple[int, int]) -> Image.Image:
    width, height = size
    image = Image.new("RGB", size, f"hsl({hue}, 32%, 62%)")
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, height * 0.62, width, height), fill=f"hsl({(hue + 25) % 360}, 28%, 34%)")
    x, y, r = width * (0.1 + 0.8 * place), height * (0.45 - 0.2 * place), height * 0.14
    pen.ellipse((x - r, y - r, x + r, y + r), fill=f"hsl({(hue + 190) % 360}, 55%, 78%)")
    return image


def _clip(rng: random.Random, video: int, index: int) -> dict[str, object]:
    start_s = 0.5 + index * 11.0
    length_s = round(min(10.0, max(2.0, rng.gauss(6.5, 2.5))), 2)
    motion = round(10 ** rng.gauss(-2.2, 0.6), 6)
    sharpness = round(rng.gauss(5.6, 1.2), 6)
    reason = "low_motion" if motion < 0.00098 else "low_quality" if sharpness < 3.0 else None
    has_failed = (video, index) == (7, 3)
    clip_id = f"00000000-0000-5000-8000-{video:04d}{index:08d}"
    return {
        "clip_id": clip_id, "video_id": f"v{video:031d}", "source_uri": f"{SOURCE}/{CURATED[video]}",
        "start_s": start_s, "end_s": start_s + length_s, "start_pts": int(start_s * 12800),
        "end_pts": int((start_s + length_s) * 12800), "time_base": "1/12800",
        "start_frame": round(start_s * 25),
        "end_frame": round((start_s + length_s) * 25),
        "status": "filtered" if reason or has_failed else "kept",
        "reason": "encode_failed" if has_failed else reason,
        "clip_uri": None if reason or has_failed else f"clips/{clip_id}.mp4",
        "clip_mode": "encode", "width": 1280, "height": 720, "framerate": 25.0,
        "num_frames": round(length_s * 25),
        "num_bytes": round(length_s * 210_000), "video_codec": "h264", "has_audio": video % 2 == 0,
        # the last film has no motion data, and one NaN must never be seen
        "motion_global_mean": None if video == 7 else motion,
        "motion_per_patch_min_256": float("nan") if video == 7 else motion / 40,
        "motion_source": None if video == 7 else "blocks",
        "sharpness": sharpness, "exposure": round(min(1.0, max(0.0, rng.gauss(0.45, 0.14))), 6),
        "colourfulness": round(max(0.0, rng.gauss(38, 14)), 6),
        "blockiness": round(1 + rng.expovariate(9), 6),
        "black_ratio": 0.0, "frozen_ratio": 0.0 if index else 0.25,
        "letterbox_ratio": 0.24 if video == 1 else 0.0,
        "text_likeness": 0.03 if video == 1 else 0.0,
        "embedding_algorithm": "perceptual", "errors": "the encoder gave no packet" if has_failed else None,
        "schema_version": 1,
    }  # fmt: skip


def _mark_duplicates(clips: list[dict[str, object]]) -> None:
    """Every eighth clip keeps itself and makes up to two later kept ones its duplicates."""
    kept = [clip for clip in clips if clip["status"] == "kept"]
    for place in range(0, len(kept) - 2, 8):
        keeper = kept[place]
        for offset in range(1, 3 if place % 16 == 0 else 2):
            kept[place + offset].update(
                status="duplicate", duplicate_of=keeper["clip_id"], duplicate_group=f"g{place:03d}",
                similarity=0.9990 - 0.0071 * offset,
            )  # fmt: skip


def _window(clip: dict[str, object]) -> dict[str, object]:
    last_frame = int(str(clip["num_frames"])) - 1
    return {
        "window_id": f"w-{clip['clip_id']}", "clip_id": clip["clip_id"], "start_frame": 0,
        "end_frame": last_frame + 1,
        "preview_uri": f"previews/{clip['clip_id']}/0_{last_frame}.webp",
    }  # fmt: skip


def _duplicate(clip: dict[str, object]) -> dict[str, object]:
    return {
        "clip_id": clip["clip_id"], "duplicate_of": clip["duplicate_of"], "group_id": clip["duplicate_group"],
        "similarity": clip["similarity"], "cluster": 0, "method": "semantic", "scope": "clip",
        "kept_because": "sharper",
    }  # fmt: skip


def _rejections(clips: list[dict[str, object]]) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {"uri": f"{SOURCE}/{name}", "stage": "inspect", "reason": reason, "message": message}
        for name, reason, message in REJECTED
    ]
    filtered = [clip for clip in clips if clip["status"] == "filtered"]
    rows += [
        {"uri": clip["source_uri"], "video_id": clip["video_id"], "clip_id": clip["clip_id"],
         "stage": "motion_filter", "reason": clip["reason"], "message": _message(clip)}
        for clip in filtered
    ]  # fmt: skip
    return rows


def _message(clip: dict[str, object]) -> str:
    if clip["reason"] == "low_motion":
        return f"motion_global_mean {clip['motion_global_mean']} is below 0.00098"
    return str(clip["errors"] or f"sharpness {clip['sharpness']} is below 3")


def _videos(clips: list[dict[str, object]], clips_per_video: int) -> list[dict[str, object]]:
    rows = [_curated_video(clips, video, clips_per_video) for video in range(len(CURATED))]
    rows += [
        {"video_id": rows[0]["video_id"], "uri": f"{SOURCE}/zz copies/{name}", "status": "duplicate",
         "duplicate_of": rows[0]["uri"], "size_bytes": 48_200_133, "duration_s": rows[0]["duration_s"]}
        for name in ("morning fog (1).mp4", "renamed.mp4")
    ]  # fmt: skip
    rows += [
        {"uri": f"{SOURCE}/{name}", "status": "rejected", "reason": reason, "message": message,
        "size_bytes": 1204,
         "duration_s": 61.2 if reason == "decoder_crashed" else None}
        for name, reason, message in REJECTED
    ]  # fmt: skip
    rows.append(
        {"uri": f"{SOURCE}/tomorrow.mp4", "status": "pending", "duration_s": 75.0, "video_id": "vpending"}
    )
    return rows


def _curated_video(clips: list[dict[str, object]], video: int, clips_per_video: int) -> dict[str, object]:
    duration_s = clips_per_video * 11.0 + 1.0
    own = [clip for clip in clips if clip["video_id"] == f"v{video:031d}"]
    in_clips_s = sum(float(str(clip["end_s"])) - float(str(clip["start_s"])) for clip in own)
    return {
        "video_id": f"v{video:031d}", "uri": f"{SOURCE}/{CURATED[video]}", "status": "curated",
        "is_partial": video == 2, "partial_reason": "at 31.2 s: a packet is damaged" if video == 2 else "",
        "size_bytes": 48_200_133, "duration_s": duration_s,
        "num_frames": int(duration_s * 25),
        "framerate_num": 25, "framerate_den": 1, "width": 1280, "height": 720, "video_codec": "h264",
        "num_shots": clips_per_video, "num_clips": clips_per_video, "dropped_s": duration_s - in_clips_s,
    }  # fmt: skip
