"""Films of any length from a short one: its packets again and again, each time later, nothing decoded."""

from fractions import Fraction
from pathlib import Path

import av


def repeat_for(seed: Path, path: Path, *, length_s: float) -> Path:
    """``repeat`` as often as comes nearest to ``length_s``."""
    with av.open(str(seed)) as source:
        stream = source.streams.video[0]
        seed_s = (stream.duration or 1) * Fraction(stream.time_base or 1)
    return repeat(seed, path, num_times=max(1, round(length_s / seed_s)))


def repeat(seed: Path, path: Path, *, num_times: int) -> Path:
    """Write the packets of the film ``seed``, whose first picture is at 0, so many times to ``path``."""
    with av.open(str(seed)) as source, av.open(str(path), "w") as target:
        original = source.streams.video[0]
        stream = target.add_stream_from_template(original)
        packets = [(bytes(packet), packet) for packet in source.demux(original) if packet.size]
        length = sum(packet.duration or 0 for _, packet in packets)
        for shift in range(0, num_times * length, length):
            for data, model in packets:
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, Fraction(original.time_base or 1)
                packet.pts, packet.dts = (model.pts or 0) + shift, (model.dts or 0) + shift
                packet.duration, packet.is_keyframe = model.duration, model.is_keyframe
                target.mux(packet)
    return path
