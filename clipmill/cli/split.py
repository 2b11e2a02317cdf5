"""``clipmill split``: parts to train on and to measure by, without leaks."""

from typing import Annotated

import typer

from clipmill.cli.exits import DONE, FAILURES_LEFT
from clipmill.cli.options import Output
from clipmill.dataset.snapshots.record import named_snapshot
from clipmill.errors import OutputError
from clipmill.partition.leaks import find_leaks
from clipmill.partition.run import Group, Split, split_clips
from clipmill.partition.spec import PartitionSpec, parse_ratios
from clipmill.partition.table import read_settings
from clipmill.stages.fault_words import checked
from clipmill.storage import store

MAX_SHOWN = 50


def split(
    output: Output,
    ratios: Annotated[str, typer.Option(help="parts and their shares")] = "train=0.98,val=0.01,test=0.01",
    group_by: Annotated[str, typer.Option(help="column of clips whose equal values stay together")] = "",
    by: Annotated[str, typer.Option(help="what the shares are of: seconds or clips")] = "seconds",
    seed: Annotated[int, typer.Option(help="decides where new groups go")] = 0,
    cap: Annotated[int | None, typer.Option(help="most clips of one value of --cap-by")] = None,
    cap_by: Annotated[str, typer.Option(help="video_id, another column, or cluster")] = "",
    rank: Annotated[str, typer.Option(help="column whose larger value is better; -column: the smaller")] = "",
    metadata: Annotated[str, typer.Option(help="CSV or parquet about sources: columns source.*")] = "",
    snapshot: Annotated[str, typer.Option(help="id of a snapshot; empty: the current one")] = "",
    check: Annotated[bool, typer.Option("--check", help="only look for clips that leak")] = False,
    embedding: Annotated[str, typer.Option(help="what --check compares by; empty: the first")] = "",
) -> int:
    """Part the kept clips of an output, so that parts share no video, no copy and no value of a column.

    Run it again after each curation: clips that have a part keep it. With --check it ends with 3 where clips
    of different parts are alike.
    """
    output = store.normalise(output)
    found = named_snapshot(output, snapshot)
    if check:
        return _check(output, embedding, snapshot)
    spec = checked(PartitionSpec, {
        "ratios": parse_ratios(ratios), "group_by": group_by, "by": by, "seed": seed, "cap": cap,
        "cap_by": cap_by, "rank": rank, "metadata": metadata,
    })  # fmt: skip
    done = split_clips(output, found, spec)
    print(_summary(done))
    if done.obstacle:
        print(_why_missed(done.obstacle, spec))
    return DONE


def _summary(done: Split) -> str:
    total_s = sum(done.seconds.values()) or 1.0
    lines = [f"{done.num_new:,} new clips; held out: {done.num_leaks:,} by leak, {done.num_capped:,} by cap"]
    for part, count in done.clips.items():
        seconds = done.seconds[part]
        lines.append(f"{part:<10}{count:>12,} clips{seconds / 3600:>10.2f} h{seconds / total_s:>9.2%}")
    return "\n".join(lines)


def _why_missed(group: Group, spec: PartitionSpec) -> str:
    """Returns why parts are far from their shares, and what helps."""
    column = spec.group_by
    together = f"a video, its copies and equal values of {column}" if column else "a video and its copies"
    videos = "1 video" if group.num_videos == 1 else f"{group.num_videos:,} videos"
    remedy = ", or group by a column with more values" if column else ""
    return (
        f"the shares are missed: {together} stay in one part, and the largest group holds "
        f"{group.num_clips:,} clips of {videos}, {group.share:.0%} of all {spec.by}, such as those of "
        f"{group.source_uri}; add videos, or ask for fewer parts or larger shares{remedy}"
    )


def _check(output: str, embedding: str, snapshot: str) -> int:
    settings = read_settings(output)
    if settings is None:
        raise OutputError(f"{output} was never split: clipmill split {output}")
    leaks = find_leaks(output, named_snapshot(output, snapshot), str(settings["training"]), embedding)
    for leak in leaks[:MAX_SHOWN]:
        print(f"{leak.similarity:.3f}  {leak.part} {leak.clip_id}  {leak.other_part} {leak.other_id}")
    if len(leaks) > MAX_SHOWN:
        print(f"and {len(leaks) - MAX_SHOWN:,} more")
    print(f"{len(leaks):,} pairs of clips of different parts are alike" if leaks else "no leak was found")
    return FAILURES_LEFT if leaks else DONE
