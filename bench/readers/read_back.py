"""Read clips with every reader of this environment: ``python read_back.py REQUEST.json ANSWER.json``.

For the Python of the readers' environment, which has no clipmill. The request maps the path of a clip to that
of its film; the answer has, for each clip and reader, the numbers painted on its frames, their times in
seconds from the first, and by how many levels at most a frame differs from the film's frame of that number
(mean over its samples, the film read by PyAV); or the reader's words when it failed.
"""

# pyright: reportMissingImports=false

import json
import sys
from collections.abc import Callable, Iterator

import av
import cv2
import decord
import numpy as np
from numbered import read
from torchcodec.decoders import VideoDecoder

Frame = tuple[float, np.ndarray]
"""Seconds, and uint8 ``(h, w, 3)`` RGB."""


def with_pyav(path: str) -> Iterator[Frame]:
    with av.open(path) as container:
        for frame in container.decode(video=0):
            yield float(frame.time), frame.to_ndarray(format="rgb24")


def with_opencv(path: str) -> Iterator[Frame]:
    capture = cv2.VideoCapture(path)
    if not capture.isOpened():
        raise ValueError("cannot open it")
    while True:
        there, picture = capture.read()
        if not there:
            return
        yield capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def with_decord(path: str) -> Iterator[Frame]:
    reader = decord.VideoReader(path)
    for index in range(len(reader)):
        yield float(reader.get_frame_timestamp(index)[0]), reader[index].asnumpy()


def with_torchcodec(path: str) -> Iterator[Frame]:
    decoder = VideoDecoder(path)  # exact seek mode, by index: as training code asks
    for index in range(len(decoder)):
        frame = decoder.get_frame_at(index)
        yield frame.pts_seconds, frame.data.permute(1, 2, 0).numpy()


READERS: dict[str, Callable[[str], Iterator[Frame]]] = {
    "PyAV": with_pyav,
    "OpenCV": with_opencv,
    "decord": with_decord,
    "torchcodec": with_torchcodec,
}


def answer(path: str, reader: Callable[[str], Iterator[Frame]], film: list[np.ndarray]) -> dict[str, object]:
    """What one reader makes of one clip; its failure is its answer."""
    try:
        frames = list(reader(path))
    except Exception as error:  # noqa: BLE001 - how a reader fails is what is asked about
        return {"error": f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"}
    start_s = frames[0][0] if frames else 0.0
    numbers = [read(picture) for _, picture in frames]
    differences = [
        float(np.abs(picture.astype(np.int16) - film[number]).mean())
        for number, (_, picture) in zip(numbers, frames, strict=True)
        if number < len(film)
    ]
    return {
        "numbers": numbers,
        "times_s": [time_s - start_s for time_s, _ in frames],
        "off_levels": max(differences, default=0.0),
    }


def main(request_path: str, answer_path: str) -> None:
    with open(request_path) as file:
        film_of: dict[str, str] = json.load(file)
    films = {path: [picture for _, picture in with_pyav(path)] for path in set(film_of.values())}
    answers = {
        path: {name: answer(path, reader, films[film]) for name, reader in READERS.items()}
        for path, film in film_of.items()
    }
    with open(answer_path, "w") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
