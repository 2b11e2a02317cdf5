"""Cuts the clips of one video into files: exact to the frame by an encoder, spliced, or copied.

PyAV does here what NeMo Curator does with ffmpeg programs: one process decodes once for many clips, frame
times stay rationals instead of seconds on a command line, and a fault costs its clip, not a batch.
"""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import astuple, replace

import av
from av.codec.hwaccel import HWAccel
from av.error import FFmpegError
from av.video.frame import VideoFrame

from clipmill.errors import UnreadableVideo
from clipmill.media.cut.clip_facts import read_clip
from clipmill.media.cut.copy import CopyRun, find_run, sound_of, suffix_for, write_run
from clipmill.media.cut.reencode import CutJob, Outcome, cut_exactly, encoded_path, raise_disk_fault, said
from clipmill.media.cut.smart import cut_smart
from clipmill.media.cut.smart_plan import SmartPlan, plan_smart
from clipmill.media.decode.seek import ClipSource
from clipmill.media.encode.availability import keeps_hdr
from clipmill.media.encode.clip_encoder import ClipEncoder, source_encoding
from clipmill.media.encode.resize import find_crop
from clipmill.media.frames.fields import is_woven
from clipmill.media.frames.geometry import Rect
from clipmill.media.frames.orient_filter import Upright
from clipmill.media.io.container import store_first
from clipmill.media.io.probe import quarter_turns_deg
from clipmill.media.io.source import open_source
from clipmill.media.sound.clip_sound import LEFT_OUT, ClipAudio
from clipmill.media.sound.source import AudioSource
from clipmill.records import ClipSpan, CutClip, PictureFacts, SoundFacts, SourceFile, VideoReason
from clipmill.sandbox.heartbeat import beat
from clipmill.stages.decoder import Deinterlace
from clipmill.stages.encode_options import EncodeOptions


def cut_clips(
    source: SourceFile | str,
    clips: Sequence[ClipSpan],
    options: EncodeOptions,
    *,
    out_dir: str,
    min_length_s: float,
    repaired_times: str = "",
    deinterlace: Deinterlace = "auto",
    heartbeat: Callable[[int], None] = beat,
) -> list[CutClip]:
    """Write each clip of a video into ``out_dir``; one record per clip, in the order given.

    A clip that fails has a message and no path. With encoder ``copy`` a clip of which less than
    ``min_length_s`` can be copied is spliced; one that cannot be spliced is encoded, as with ``smart``.
    ``repaired_times`` is what ``ScanFacts`` says of the video: where it says anything, nothing is copied and
    all clips are cut in one pass from the beginning.
    ``heartbeat`` gets the growing count of frames decoded and clips copied.
    UnreadableVideo where the source has no video to read, StoreError where it or ``out_dir`` fails;
    SourceChanged where it is not what was listed, or was not to the end: none of the files is to be used.
    """
    os.makedirs(out_dir, exist_ok=True)
    ordered = sorted(clips, key=lambda clip: (clip.start_pts, clip.end_pts))
    with ExitStack() as stack:
        reader = stack.enter_context(open_source(source))
        stack.enter_context(store_first(reader))
        video = stack.enter_context(closing(ClipSource(reader, hwaccel=_hwaccel(options))))
        audio = stack.enter_context(closing(AudioSource(reader)))
        first = _first_frame(video)
        rotation_deg = quarter_turns_deg(first.rotation)
        encoding = source_encoding(
            options,
            video.container,
            video.stream,
            size_bytes=reader.size_bytes,
            rotation_deg=rotation_deg,
            deinterlace=deinterlace,
        )
        job = CutJob(
            video,
            None if options.strip_audio else ClipAudio(audio, options.audio),
            encoding,
            out_dir,
            _counted(heartbeat),
            repaired_times,
            Upright(lambda: keeps_hdr(options)),
        )
        tried: dict[str, CutClip | str] = {}
        refusal = _refusal(job, rotation_deg, first)
        if not options.encodes and refusal:
            tried = {clip.clip_id: refusal for clip in ordered}
        elif options.encoder == "copy":
            tried = _copied_or_spliced(job, ordered, min_length_s=min_length_s)
        elif options.encoder == "smart":
            tried = _smart(job, ordered)
        copied = {clip_id: result for clip_id, result in tried.items() if isinstance(result, CutClip)}
        reasons = {clip_id: result for clip_id, result in tried.items() if isinstance(result, str)}
        encoded = _encode(job, [clip for clip in ordered if clip.clip_id not in copied], reasons)
    return [(copied | encoded)[clip.clip_id] for clip in clips]


def _encode(job: CutJob, clips: Sequence[ClipSpan], reasons: Mapping[str, str]) -> dict[str, CutClip]:
    """The encoded clips; one that fails is tried with all of its sound encoded, then without sound."""
    crops: dict[str, Rect | None] = {}
    if job.encoding.options.crop_letterbox and not job.repaired_times:  # finding bars seeks
        crops = {clip.clip_id: find_crop(job.source, clip) for clip in clips}
    encoders: dict[str, ClipEncoder] = {}
    outcomes: dict[str, Outcome] = {}
    left, first_faults = list(clips), dict[str, str]()
    for audio in _ways_to_sound(job.audio):
        attempt = replace(job, audio=audio)
        outcomes |= cut_exactly(replace(attempt, begin=_opener(attempt, crops, encoders)), left)
        left = [clip for clip in left if outcomes[clip.clip_id].may_be_its_sound]
        first_faults = {clip.clip_id: outcomes[clip.clip_id].message for clip in left} | first_faults
        if not left:
            break
    records: dict[str, CutClip] = {}
    for clip in clips:
        encoder, outcome = encoders.get(clip.clip_id), outcomes[clip.clip_id]
        sound = encoder.sound if encoder else LEFT_OUT
        if clip.clip_id in first_faults and sound == LEFT_OUT:
            sound = SoundFacts("lost", first_faults[clip.clip_id])
        pictures = encoder.pictures if encoder else PictureFacts()
        record = _record(job.out_dir, clip, outcome, reasons.get(clip.clip_id, ""), sound, pictures)
        geometry = encoder.geometry if encoder else None
        records[clip.clip_id] = replace(record, crop=geometry and astuple(geometry.shown))
    return records


def _ways_to_sound(audio: ClipAudio | None) -> list[ClipAudio | None]:
    """How a clip may get its sound, the best way first."""
    return [audio, audio.encoding, None] if audio is not None and audio.tracks else [audio]


def _opener(
    job: CutJob, crops: Mapping[str, Rect | None], encoders: dict[str, ClipEncoder]
) -> Callable[[ClipSpan], ClipEncoder]:
    """What opens the encoder of a clip, and remembers it."""

    def begin(clip: ClipSpan) -> ClipEncoder:
        path = encoded_path(job.out_dir, clip)
        crop = crops.get(clip.clip_id)
        encoder = ClipEncoder(path, clip, job.encoding_now, upright=job.upright, audio=job.audio, crop=crop)
        encoders[clip.clip_id] = encoder
        return encoder

    return begin


def _counted(heartbeat: Callable[[int], None]) -> Callable[[], None]:
    count = itertools.count(1)
    return lambda: heartbeat(next(count))


def _refusal(job: CutJob, rotation_deg: int, first: VideoFrame) -> str:
    """Why nothing of a source can be copied."""
    if is_woven(first, job.source.stream.codec_context):
        return "its pictures are coded field by field, which not every reader puts together"
    if rotation_deg:
        return f"the source is rotated by {rotation_deg} degrees, which not every reader undoes"
    return f"its times had to be repaired: {job.repaired_times}" if job.repaired_times else ""


def _copied_or_spliced(
    job: CutJob, clips: Sequence[ClipSpan], *, min_length_s: float
) -> dict[str, CutClip | str]:
    """The copied clips; where not enough can be copied the spliced ones, and why the others are encoded."""
    tried = {clip.clip_id: _copy(job, clip, min_length_s=min_length_s) for clip in clips}
    refused = {clip_id: reason for clip_id, reason in tried.items() if isinstance(reason, str)}
    for clip_id, spliced in _smart(job, [clip for clip in clips if clip.clip_id in refused]).items():
        reason = refused[clip_id]
        if isinstance(spliced, CutClip):
            tried[clip_id] = replace(spliced, mode_reason=reason)
        elif spliced != reason:
            tried[clip_id] = f"{reason}; {spliced}"
    return tried


def _copy(job: CutJob, clip: ClipSpan, *, min_length_s: float) -> CutClip | str:
    """The copied clip, or why it has to be cut otherwise."""
    job.progress()
    run = find_run(job.source, clip, min_length_s=min_length_s)
    if isinstance(run, str):
        return run
    try:
        return _write_copy(job, clip, run)
    except (FFmpegError, ValueError) as error:
        raise_disk_fault(error, job.out_dir)
        return f"copying failed: {said(error)}"


def _smart(job: CutJob, clips: Sequence[ClipSpan]) -> dict[str, CutClip | str]:
    """The spliced clips, and why the others have to be encoded."""
    plans = {clip.clip_id: plan_smart(job.source, clip) for clip in clips}
    spliced = cut_smart(job, [plan for plan in plans.values() if isinstance(plan, SmartPlan)])
    return {clip_id: plan for clip_id, plan in plans.items() if isinstance(plan, str)} | spliced


def _write_copy(job: CutJob, clip: ClipSpan, run: CopyRun) -> CutClip:
    sound = sound_of(run, job.source, job.audio)
    path = os.path.join(job.out_dir, f"{clip.clip_id}{suffix_for(job.source.codec, sound)}")
    facts = write_run(path, run, job.source, sound=sound)
    start_s = clip.start_s + float((run.start_pts - clip.start_pts) * job.source.time_base)
    return read_clip(
        path, clip_id=clip.clip_id, clip_mode="copy", mode_reason="", file_start_s=start_s, sound=facts
    )


def _record(
    out_dir: str,
    clip: ClipSpan,
    outcome: Outcome,
    mode_reason: str,
    sound: SoundFacts,
    pictures: PictureFacts,
) -> CutClip:
    if outcome.message:
        return CutClip(clip.clip_id, path="", message=outcome.message, mode_reason=mode_reason)
    return read_clip(
        encoded_path(out_dir, clip),
        clip_id=clip.clip_id,
        clip_mode="encode",
        mode_reason=mode_reason,
        file_start_s=clip.start_s,
        sound=sound,
        pictures=pictures,
    )


def _hwaccel(options: EncodeOptions) -> HWAccel | None:
    """The GPU's decoder, where it is asked for and there is one."""
    if not options.use_hwaccel:
        return None
    try:
        return HWAccel("cuda", allow_software_fallback=True).create(av.Codec("h264", "r"))
    except FFmpegError:
        return None


def _first_frame(source: ClipSource) -> VideoFrame:
    """The first frame tells how pictures are turned; the headers' word is not passed on."""
    frame = next(iter(source.frames_from_beginning()), None)
    if frame is None:
        raise UnreadableVideo(source.uri, VideoReason.NO_FRAMES, "no frame could be decoded")
    return frame
