"""What is wrong with a spec, in one line that names the place, the cause and the remedy."""

from pathlib import Path

import pytest

from clipmill.curation.preflight import check_dedup
from clipmill.errors import SpecError
from clipmill.planning.from_spec import plan_of_spec
from clipmill.spec_file import load_spec

FAULTS = {
    '{"transcode": {"audio": {"channels": 3}}}': "transcode.audio.channels must be 1 or 2, got 3",
    '{"transcode": {"audio": {"chanels": 1}}}': (
        "transcode.audio: there is no parameter chanels; did you mean channels?"
    ),
    '{"transcode": {"audio": "all"}}': "transcode.audio must be a group of parameters, got 'all'",
    '{"spilt": {}}': "there is no parameter spilt; did you mean split?",
    '{"audio": {"track": "all"}}': "there is no parameter audio; did you mean transcode.audio?",
    '{"transcode": {"motion_filter": 1}}': (
        "transcode: there is no parameter motion_filter; did you mean motion_filter?"
    ),
    '{"split": {"snap_to_silence": true}}': (
        "split: there is no parameter snap_to_silence; "
        "did you mean split.content.snap_to_silence or split.transnetv2.snap_to_silence?"
    ),
    '{"max": 1}': (
        "there is no parameter max; "
        "did you mean quality.sharpness.max or quality.exposure.max or quality.colourfulness.max?"
    ),
    '{"split": {"content": {"treshold": 1}}}':
        "split.content: there is no parameter treshold; did you mean threshold?",
    '{"quality": {"sharpness": {"mn": 1}}}':
        "quality.sharpness: there is no parameter mn; did you mean min?",
    '{"embedding": {"algorithm": "siglip2", "num_fraems": 3}}':
        "embedding: there is no parameter num_fraems; did you mean num_frames?",
    '{"captions": {"preparation": {"window_size": 8}}}':
        "captions.preparation follows from other stages and cannot be set",
    '{"stages": [{"usee": "quality"}]}': "stages.0: use is missing; did you mean use instead of usee?",
    '{"stages": [{}]}': "stages.0: use is missing; it names a class",
    '{"dedup": null, "dedup": {}}': "the key dedup stands twice, again in line 1",
    "{\n quality: {sample_fps: 1, sample_fps: 2}}": "the key sample_fps stands twice, again in line 2",
    '{"dedup": {"n_clusters": "x"}}': "dedup.n_clusters must be a whole number or 'auto', got 'x'",
    '{"dedup": {"random_state": -1}}': "dedup.random_state must be at least 0, got -1",
    '{"embedding": {"target_fps": 1e-6}}': "embedding.target_fps must be at least 0.001, got 1e-06",
    '{"split": {"fixed_stride": {"clip_len_s": 1e-9}}}':
        "split.fixed_stride.clip_len_s must be at least 0.1, got 1e-09",
    '{"split": {"fixed_stride": {"clip_len_s": 1, "min_clip_length_s": 2}}}':
        "split.fixed_stride: min_clip_length_s 2 exceeds clip_len_s 1: no clip fits",
    '{"split": {"fixed_stride": {"clip_len_s": 1e6, "clip_stride_s": 0.1}}}':
        "split.fixed_stride: clip_len_s 1e+06 is more than 1000 times clip_stride_s 0.1: "
        "every picture would be in as many clips",
    '{"limits": {"max_size_bytes": 1e308}}':
        "limits.max_size_bytes must be a number between -2^53 and 2^53, got 1e+308",
    '{"limits": {"max_duration_s": .nan}}': "limits.max_duration_s must be a finite number, got nan",
    '{"limits": {"max_duration_s": "60"}}': "limits.max_duration_s must be a number, got '60'",
    '{"video_limit": true}': "video_limit must be a whole number, got True",
    '{"video_limit": [1]}': "video_limit must be a whole number, got [1]",
    '{"quality": {"score_only": "true"}}': "quality.score_only must be true or false, got 'true'",
    '{"quality": {"score_only": 1}}': "quality.score_only must be true or false, got 1",
    '{"quality": 5}': "quality must be a group of parameters, got 5",
    '{"frames": {"target_fps": [0.5, true]}}': "frames.target_fps must be a number, got [0.5, True]",
    '{"input_list_json_path": ""}': "input_list_json_path must be text with at least 1 character, got ''",
}  # fmt: skip


@pytest.mark.parametrize(("document", "message"), FAULTS.items(), ids=FAULTS)
def test_a_fault_of_a_spec_is_one_line(document: str, message: str) -> None:
    with pytest.raises(SpecError) as raised:
        load_spec(document)
    assert str(raised.value) == f"the spec: {message}"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            b"split:\n\tcontent: {}",
            " is neither YAML nor JSON: line 2, column 1: found character '\\t' that ",
        ),
        (b"{split: ", " is neither YAML nor JSON: line 1, column 9: expected the node content, but found "),
        (b"split: \x00", " is neither YAML nor JSON: special characters are not allowed"),
        (b"- split", " must hold groups of parameters, got list"),
    ],
)
def test_a_fault_of_yaml_names_file_and_line(tmp_path: Path, document: bytes, message: str) -> None:
    (tmp_path / "spec.yaml").write_bytes(document)
    with pytest.raises(SpecError) as raised:
        load_spec(f"{tmp_path}/spec.yaml")
    assert str(raised.value).startswith(f"{tmp_path}/spec.yaml{message}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no.yaml", "No such file or directory"),
        ("", "Is a directory"),
        ("latin.yaml", "it is no text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_once(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"split: \xe9")
    with pytest.raises(SpecError) as raised:
        load_spec(f"{tmp_path}/{name}")
    assert str(raised.value) == f"cannot read the spec {tmp_path}/{name}: {message}"


@pytest.mark.parametrize("number", ["1e9", "1E+9", "10e8", "1.e9", "1000000000"])
def test_a_number_with_an_exponent_is_a_number(number: str) -> None:
    assert load_spec(f'{{"limits": {{"max_size_bytes": {number}}}}}').limits.max_size_bytes == 10**9


@pytest.mark.parametrize(("text", "value"), [("5e-1", 0.5), (".5e0", 0.5), ("-0.0e1", 0.0)])
def test_a_small_number_with_an_exponent_is_a_number(text: str, value: float) -> None:
    spec = load_spec(f'{{"split": {{"content": {{"crop_s": {text}}}}}}}')
    assert spec.split.content.crop_s == value


def test_a_spec_that_was_written_out_is_read_again() -> None:
    spec = load_spec('{"captions": {}, "questions": [{"question": "Is it night?"}]}')
    assert load_spec(spec.model_dump_json()) == spec


PLANS = {
    '{"stages": [{"use": "quality", "kye": "a"}]}':
        "stage quality: there is no parameter kye; did you mean key?",
    '{"quality": {"black_ratio": {"min": 2}}}':
        "stage quality: nothing can pass its rule over black_ratio: min 2 is above 1",
    '{"quality": {"sharpness": {"max": -1}}}':
        "stage quality: nothing can pass its rule over sharpness: max -1 is below 0",
    '{"motion_filter": {"score_only": false, "global_mean_threshold": 2}}':
        "stage motion_filter: nothing can pass its rule over motion:motion_global_mean: "
        "min 2 is above 1, the most that it can be",
    '{"dedup": {"which_to_keep": "columns", "rank_columns": ["sharpnes"]}}':
        "dedup.rank_columns: the clips of this run have no column sharpnes; did you mean sharpness?",
    '{"dedup": {"which_to_keep": "columns", "rank_columns": ["source_uri"]}}':
        "dedup.rank_columns: column source_uri holds string, not numbers",
    '{"quality": null, "dedup": {"which_to_keep": "columns", "rank_columns": ["sharpness"]}}':
        "dedup.rank_columns: the clips of this run have no column sharpness; it has ",
    '{"dedup": {"embedding": "nope"}}': "dedup.embedding: no embedding has the key nope; there are embedding",
    '{"dedup": {"backend": "cuml"}}': "dedup.backend: cuml needs cuml, which the extra cuml installs",
}  # fmt: skip


@pytest.mark.parametrize(("document", "message"), PLANS.items(), ids=PLANS)
def test_a_fault_of_a_plan_is_one_line(document: str, message: str) -> None:
    spec = load_spec(document)
    with pytest.raises(SpecError) as raised:
        check_dedup(plan_of_spec(spec, source="/films", output="/out"), spec.dedup)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(("source", "output", "name"), [("", "/out", "source"), ("/films", " ", "output")])
def test_an_empty_place_is_named(source: str, output: str, name: str) -> None:
    with pytest.raises(SpecError, match=f"^the {name} is empty: name a folder, a file or a URI$"):
        plan_of_spec(load_spec(""), source=source, output=output)


def test_columns_that_a_run_has_rank() -> None:
    spec = load_spec('{"dedup": {"which_to_keep": "columns", "rank_columns": ["sharpness", "start_s"]}}')
    check_dedup(plan_of_spec(spec, source="/films", output="/out"), spec.dedup)
