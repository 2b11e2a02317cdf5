"""Names of the folders and files under an output; the documented tree plus ours. Pure: nothing is touched."""

import hashlib
import re

TABLES = ("videos", "shots", "clips", "windows", "rejections", "duplicates")
LEASE = "lease.json"
MARKS = {
    "manifest.json": ("schema_version", "stage_digests"),
    LEASE: ("run_id", "epoch"),
    "export.json": ("format_version", "options_digest"),
}
"""Files that only outputs and exports have, and the keys that tell them from other files of these names."""


def join(root: str, *parts: str) -> str:
    """``root`` and ``parts`` with single slashes, for paths and URIs alike; no part leads out of ``root``."""
    return "/".join([root.rstrip("/"), *(part.strip("/") for part in parts)])


def clip_path(root: str, clip_id: str, *, filtered: bool = False, suffix: str = ".mp4") -> str:
    """File of a clip; ``suffix`` follows the container."""
    return join(clips_dir(root, filtered=filtered), f"{clip_id}{suffix}")


def in_folder(path: str, folder: str) -> str:
    """Returns a relative path with ``folder`` inside of its first one: ``clips/<folder>/<clip>.mp4``."""
    first, _, rest = path.partition("/")
    return join(first, folder, rest) if folder and rest else path


def clips_dir(root: str, *, filtered: bool = False) -> str:
    """Folder of clip files, or of those that a filter rejected."""
    return join(root, "filtered_clips" if filtered else "clips")


def previews_dir(root: str) -> str:
    """Folder of previews, one folder per clip."""
    return join(root, "previews")


def metas_dir(root: str, version: str = "v0") -> str:
    """Folder of the per-clip JSON."""
    return join(root, "metas", version)


def embeddings_dir(root: str, prefix: str) -> str:
    """``prefix`` is ``ce1``, ``iv2`` or the algorithm's own name."""
    return join(root, f"{prefix}_embd_parquet")


def pickles_dir(root: str, prefix: str) -> str:
    """Folder of the pickled embeddings, one file per clip, of a model that NeMo Curator has: ``ce1_embd``."""
    return join(root, f"{prefix}_embd")


def processed_videos_dir(root: str) -> str:
    """Folder of the per-video JSON."""
    return join(root, "processed_videos")


def processed_clip_chunks_dir(root: str) -> str:
    """Folder of the JSON per chunk of clips."""
    return join(root, "processed_clip_chunks")


def relative_source(source_uri: str, source_root: str) -> str:
    """Path of what is written about a source: its name below ``source_root``, made safe by ``path_of``.

    A single file is its own name. ValueError outside.
    """
    if source_uri == source_root.rstrip("/"):
        bare = source_uri.partition("?")[0] if source_uri.startswith(("http://", "https://")) else source_uri
        return path_of(bare.rpartition("/")[2])
    if not source_uri.startswith(below(source_root)):
        raise ValueError(f"{source_uri} does not lie under {source_root}")
    return path_of(source_uri.removeprefix(below(source_root)))


def below(root: str) -> str:
    """What the names of all that lies below ``root`` begin with; a scheme alone is a root too."""
    return root if root.endswith("://") else f"{root.rstrip('/')}/"


def table_path(root: str, table: str) -> str:
    """One of ``TABLES``, where it is a single file."""
    return join(root, "tables", f"{table}.parquet")


def table_parts_dir(root: str, table: str) -> str:
    """One of ``TABLES``, where it has more rows than one file holds."""
    return join(root, "tables", table)


def snapshots_dir(root: str) -> str:
    """Folder of the published snapshots."""
    return join(root, "snapshots")


def snapshot_dir(root: str, snapshot_id: str) -> str:
    """Folder of the tables of a snapshot."""
    return join(snapshots_dir(root), snapshot_id)


def snapshot_manifest_path(root: str, snapshot_id: str) -> str:
    """The manifest of a snapshot, also after another one took its place."""
    return join(snapshot_dir(root, snapshot_id), "manifest.json")


def state_dir(root: str) -> str:
    """Folder of the durable results of the stages."""
    return join(root, "state")


def attempts_dir(root: str) -> str:
    """Folder of the notes of what runs work on."""
    return join(state_dir(root), "attempts")


def dedup_dir(root: str) -> str:
    """Folder of the documented dedup tree."""
    return join(root, "dedup")


def manifest_path(root: str) -> str:
    """The snapshot's manifest."""
    return join(root, "manifest.json")


def kept_clips_path(root: str) -> str:
    """Ids of the kept clips."""
    return join(root, "kept_clips.json")


def report_path(root: str) -> str:
    """The report."""
    return join(root, "report.html")


def runs_dir(root: str) -> str:
    """Folder of the records of runs."""
    return join(root, "runs")


def run_path(root: str, run_id: str) -> str:
    """What one run took, and when: the only file that differs between equal runs."""
    return join(runs_dir(root), f"{run_id}.json")


def lease_path(root: str) -> str:
    """Which run writes the output."""
    return join(root, LEASE)


def work_dir(root: str) -> str:
    """Manifests that tasks hand to each other."""
    return join(root, "work")


def run_folder(root: str, run_id: str) -> str:
    """What the tasks of one run hand to each other."""
    return join(work_dir(root), run_id)


MAX_PART_BYTES = 240
"""A file system takes 255; what is appended, such as ``_12.json``, needs room."""
MAX_PATH_BYTES = 700
"""An object store takes 1024 with the output's own name."""

_EMPTY = "%2F"
"""Stands for an empty part: no part holds the character it spells."""
_SPECIAL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|%(?=[0-9A-Fa-f]{2})")
_SHORTENED = re.compile(r"~(?=[0-9a-f]{32}$)")
_KEPT_BYTES = 200


def path_of(name: str) -> str:
    """Returns the relative path of a name: UTF-8, without empty parts, ``.`` and ``..``, and short enough."""
    *folders, last = name.split("/")
    parts = [_part(_SHADOWS.sub("%2E", _escaped(folder))) for folder in folders]
    path = "/".join([*parts, _part(_escaped(last))])
    if len(path.encode()) <= MAX_PATH_BYTES:
        return path
    return f"{_EMPTY}{_digest(name)}/{_part(_escaped(last))}"


_SHADOWS = re.compile(r"\.(?=json$)")
"""The dot of a folder that could be the JSON file of a video beside it."""


def _escaped(part: str) -> str:
    if not part:
        return _EMPTY
    escaped = _SPECIAL.sub(_spelled, part)
    bare = escaped.rstrip(". ")  # some file systems drop dots and blanks at an end; dots alone are steps
    tail = "".join(map(_spelled_character, escaped[len(bare) :]))
    return _SHORTENED.sub("%7E", bare + tail)


def _part(part: str) -> str:
    """The part, or its beginning and its digest where it is too long."""
    data = part.encode()
    if len(data) <= MAX_PART_BYTES:
        return part
    return f"{data[:_KEPT_BYTES].decode(errors='ignore')}~{_digest(part)}"


def _spelled(found: re.Match[str]) -> str:
    return _spelled_character(found[0])


def _spelled_character(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass"))


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:32]
