"""Search by a file: a clip, a longer video and a still picture, by the embedding of the run."""

import shutil
from pathlib import Path

import av
import pytest

from clipmill.cli.exits import DONE, MISUSE
from clipmill.cli.main import main
from clipmill.errors import SpecError
from clipmill.search.text import first_embedder
from tests.search.test_text import COSMOS, LEARNED, path_of, write_output
from tests.support.films.small_films import FPS, draw_film
from tests.support.runs.curation import curate_here, plain_spec

pytestmark = pytest.mark.usefixtures("shared_codec")

Captured = pytest.CaptureFixture[str]


def test_clips_are_found_by_a_file(tmp_path: Path, capsys: Captured) -> None:
    film = draw_film(tmp_path / "films" / "film.mp4", seed=3, shots=[2 * FPS, 2 * FPS])
    other = draw_film(tmp_path / "films" / "other.mp4", seed=4, shots=[2 * FPS])
    output, still, text = tmp_path / "out", tmp_path / "still.png", tmp_path / "notes.txt"
    curate_here(film.parent, output, plain_spec(dedup=None))
    with av.open(other) as container:
        next(container.decode(video=0)).to_image().save(still)
    text.write_text("no picture")

    def best(like: Path | str) -> str:
        assert main(["search", str(output), "--like", str(like), "--num-hits", "1"]) == DONE
        return capsys.readouterr().out

    clip = max((output / "clips").glob("*.mp4"))
    assert best(clip) == best(clip.stem) != best(copy := Path(shutil.copy(clip, tmp_path / "copy.mp4")))
    assert best(copy).startswith(f"1.000  {clip}  ")
    assert f"{film} " in best(film)
    assert f"{other} 0.0 to 1.0 s" in best(still)
    assert main(["search", str(output), "--like", str(text)]) == MISUSE
    assert "notes.txt is no video, and no picture" in capsys.readouterr().err
    assert main(["search", str(output), "--like", "nowhere.mp4"]) == MISUSE
    assert "and there is no such file: name a file, or a clip_id" in capsys.readouterr().err


def test_an_embedding_that_cannot_be_made_again_is_named(tmp_path: Path) -> None:
    """The manifest does not allow code to run, and classes of the user are not imported for it."""
    name = "cosmos-embed1-224p"
    for folder, class_path, fields in (
        ("listed", LEARNED, {"algorithm": name, "allow_remote_code": [name]}),
        ("own", COSMOS, {"variant": "224p"}),
    ):
        output = write_output(tmp_path / folder, dict(fields), class_path=class_path)
        with pytest.raises(SpecError, match="bring Python code of"):
            first_embedder(output)
        assert first_embedder(output, model_dir="w", allow_remote_code=[name]).algorithm_name == name
    output = write_output(tmp_path / "users", {}, class_path=path_of(Path), prefix="mine")
    with pytest.raises(SpecError, match=r"embedding mine of .* made by a stage of your own: name a clip"):
        first_embedder(output)
