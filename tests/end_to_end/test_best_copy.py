"""Of the copies of a film the best one is kept, whatever their names, and the tables say why."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageFilter

from clipmill.specs import DedupSpec
from footage.encode import H264, HEVC, SAME_BYTES, Encoding, write_film
from tests.support.films.small_films import FPS, draw_film
from tests.support.runs.curation import curate_here, rows, small_spec

SIZE_PX = (320, 180)
NUM_FRAMES = 5 * FPS
LATE_FRAMES = 27
SEEDS = (3, 4)
STRIDE = {"clip_len_s": 10.0, "clip_stride_s": 10.0}
SPEC = small_spec(
    split={"algorithm": "fixed_stride", "fixed_stride": STRIDE}, motion=None, preview=None, quality=None
)
FINE = Encoding("h264", H264.encoder, {**H264.options, "crf": "18"})
LOW_HEVC = Encoding("hevc", HEVC.encoder, {**HEVC.options, "crf": "26"})
Change = Callable[[Path, Path], None]


def shown(source: Path, *, width_px: int, height_px: int) -> Iterator[np.ndarray]:
    with av.open(source) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24", width=width_px, height=height_px, interpolation="BICUBIC")


def coded(
    source: Path, target: Path, *, size_px: tuple[int, int] = SIZE_PX, bar_px: int = 0, by: Encoding = H264
) -> None:
    """The film coded again at another size, with bars above and below."""
    pictures = shown(source, width_px=size_px[0], height_px=size_px[1])
    boxed = (np.pad(picture, ((bar_px, bar_px), (0, 0), (0, 0))) for picture in pictures)
    write_film(target, boxed, time_base=Fraction(1, FPS), encoding=by)


def painted(paint: Callable[[np.ndarray], np.ndarray]) -> Change:
    """The film with each of its pictures changed, coded better than before."""

    def change(source: Path, target: Path) -> None:
        pictures = map(paint, shown(source, width_px=SIZE_PX[0], height_px=SIZE_PX[1]))
        write_film(target, pictures, time_base=Fraction(1, FPS), encoding=FINE)

    return change


def with_band(picture: np.ndarray) -> np.ndarray:
    """Bright strokes on a dark band."""
    marked = picture.copy()
    marked[150:170, 40:-40] //= 4
    marked[154:166, 80:-80:6] = 240
    return marked


def with_logo(picture: np.ndarray) -> np.ndarray:
    """A pale mark with hard edges in a corner."""
    marked = picture.copy()
    marked[10:26, -56:-14] = 235
    return marked


def sharpened(picture: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).filter(ImageFilter.UnsharpMask(2, 80, 0)))


def trimmed(source: Path, target: Path) -> None:
    """The same coded pictures without the last fifth."""
    with av.open(source) as container, av.open(target, "w", options=SAME_BYTES) as output:
        stream = output.add_stream_from_template(container.streams.video[0], opaque=True)
        for number, packet in enumerate(container.demux(video=0)):
            if packet.dts is not None and number < 0.8 * NUM_FRAMES:
                packet.stream = stream
                output.mux(packet)


def late(source: Path, target: Path) -> None:
    """The film without its first 1.1 seconds, coded again: sampled at other instants."""
    pictures = itertools.islice(shown(source, width_px=SIZE_PX[0], height_px=SIZE_PX[1]), LATE_FRAMES, None)
    write_film(target, pictures, time_base=Fraction(1, FPS), encoding=H264)


COPIES: dict[str, tuple[Change, set[str]]] = {
    "enlarged": (
        lambda source, target: coded(source, target, size_px=(640, 360)),
        {"sharper", "as sharp without being enlarged"},
    ),
    "small": (lambda source, target: coded(source, target, size_px=(160, 90)), {"larger picture"}),
    "boxed": (lambda source, target: coded(source, target, bar_px=30), {"sharper", "smaller bars"}),
    "hevc": (
        lambda source, target: coded(source, target, by=LOW_HEVC),
        {"sharper", "less lost in coding", "has sound"},
    ),
    "more bits": (
        lambda source, target: coded(source, target, by=FINE),
        {"less lost in coding", "has sound"},
    ),
    "cropped": (painted(lambda picture: picture[10:-10, 16:-16]), {"not cropped"}),
    "trimmed": (trimmed, {"longer"}),
    "late": (late, {"sharper", "longer"}),
    "text": (painted(with_band), {"no text or logo over it"}),
    "logo": (painted(with_logo), {"no text or logo over it"}),
    "sharpened": (painted(sharpened), {"not sharpened"}),
}


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two films of one shot, each with its copies."""
    folder = tmp_path_factory.mktemp("films")
    for seed in SEEDS:
        own = folder / f"film{seed}"
        original = draw_film(own / "original.mp4", seed=seed, shots=[NUM_FRAMES], size_px=SIZE_PX)
        for name, (change, _) in COPIES.items():
            change(original, own / f"{name}.mp4")
    return folder


def test_every_copy_loses_to_its_original(films: Path, tmp_path: Path) -> None:
    curate_here(films, tmp_path, SPEC)
    clips = {str(row["clip_id"]): row for row in rows(tmp_path, "clips")}
    assert len(clips) == len(SEEDS) * (len(COPIES) + 1)
    names = {clip_id: Path(str(row["source_uri"])) for clip_id, row in clips.items()}
    kept = {name for clip_id, name in names.items() if clips[clip_id]["status"] == "kept"}
    assert kept == {films / f"film{seed}" / "original.mp4" for seed in SEEDS}
    for row in rows(tmp_path, "duplicates"):
        copy, keeper = names[str(row["clip_id"])], names[str(row["duplicate_of"])]
        assert (keeper.parent, keeper.stem) == (copy.parent, "original")
        assert row["kept_because"] in COPIES[copy.stem][1], copy


def test_an_incremental_run_keeps_the_better_copy_that_comes_later(films: Path, tmp_path: Path) -> None:
    """And when that is taken away, one of those that went for it."""
    source, output = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    spec = SPEC.model_copy(update={"dedup": DedupSpec(mode="incremental")})

    def kept(*, added: str = "", gone: str = "") -> tuple[list[str], dict[str, object]]:
        if added:
            shutil.copy(films / f"film{SEEDS[0]}" / f"{added}.mp4", source)
        if gone:
            (source / f"{gone}.mp4").unlink()
        curate_here(source, output, spec)
        clips = {str(row["clip_id"]): row for row in rows(output, "clips")}
        names = {clip_id: Path(str(row["source_uri"])).stem for clip_id, row in clips.items()}
        why = {names[str(row["clip_id"])]: row["kept_because"] for row in rows(output, "duplicates")}
        return [names[one] for one, row in clips.items() if row["status"] == "kept"], why

    shutil.copy(films / f"film{SEEDS[0]}" / "boxed.mp4", source)
    assert kept(added="trimmed") == (["trimmed"], {"boxed": "smaller bars"})
    assert kept(added="original") == (["original"], {"boxed": "smaller bars", "trimmed": "longer"})
    assert kept(gone="original") == (["trimmed"], {"boxed": "smaller bars"})
    assert kept(added="original")[0] == ["original"]
