"""Stages that read what a user knows of the sources."""

from typing import ClassVar

import pyarrow as pa

from clipmill.stages.base import Batch, Column, Grain, Reads, Rule, Stage, StageContext, Worker


class LicenceFilter(Stage):
    """Rejects clips of sources without a licence to publish."""

    name: ClassVar[str] = "licence"
    grain: ClassVar[Grain] = "clip"

    def reads(self) -> Reads:
        return Reads(columns=("source.licence", "source.year"))

    def rules(self) -> tuple[Rule, ...]:
        return (
            Rule("source.licence", "not_licensed", equals=("none",)),
            Rule("source.year", "too_old", min=1950),
        )


class Headline(Stage):
    """Says the title of a clip's source loudly."""

    name: ClassVar[str] = "headline"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (Column("headline", pa.string(), "the title, in capitals"),)

    def reads(self) -> Reads:
        return Reads(columns=("source.title",))

    def open(self, context: StageContext) -> Worker:
        def work(batch: Batch) -> dict[str, list[str]]:
            titles = batch.columns["source.title"].to_pylist()
            return {"headline": [str(title or "untitled").upper() for title in titles]}

        return work


class Length(Stage):
    """Counts the letters of a headline: it depends on the title too."""

    name: ClassVar[str] = "letters"
    grain: ClassVar[Grain] = "clip"
    writes: ClassVar[tuple[Column, ...]] = (Column("letters", pa.int64(), "letters of the headline"),)

    def reads(self) -> Reads:
        return Reads(columns=("headline:headline",))

    def open(self, context: StageContext) -> Worker:
        return lambda batch: {
            "letters": [len(str(one)) for one in batch.columns["headline:headline"].to_pylist()]
        }
