"""The report: one HTML page that holds everything it shows, from the published tables."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path

import jinja2
from jinja2 import compiler
from markupsafe import Markup

from clipmill import identity, layout
from clipmill.report import sample, words
from clipmill.report.page import Page, build_page
from clipmill.report.previews import InlinedPreviews, ReadBytes, inline_previews
from clipmill.report.view import ClipView, ReportOptions, ReportTables
from clipmill.storage import store

FOLDED = ("Place", "Identity")
"""Groups of the larger view that are closed at first."""
_MARGIN_BYTES = 4096  # what the statement about previews may grow by once their number is known


def write_report(output: str, tables: ReportTables, *, options: ReportOptions) -> str:
    """Write ``report.html`` under ``output``, unless it already is that page; returns its path or URI."""
    uri = layout.report_path(output)
    page = render_report(
        tables, options=options, read_bytes=lambda path: store.read_bytes(layout.join(output, path))
    )
    store.put_if_changed(uri, page.encode())
    return uri


def render_report(tables: ReportTables, *, options: ReportOptions, read_bytes: ReadBytes) -> str:
    """The page, at most ``options.max_bytes`` bytes long as UTF-8, equal for equal tables.

    ``read_bytes`` gives the bytes of a preview by its path below the output; it is called for sampled clips
    only, from a few threads. The page also works inside another one (a Flyte deck): styles, ids and scripts
    stay within its own element. ValueError when it is longer than ``options.max_bytes`` even without
    previews.
    """
    page = build_page(tables, options=options)
    num_bytes = len(_draw(page, InlinedPreviews({})).encode())
    room = options.max_bytes - num_bytes - _MARGIN_BYTES
    if room < 0:
        raise ValueError(f"the report has {num_bytes} bytes without previews, too near {options.max_bytes}")
    wanted = [(view.clip_id, view.preview_uri) for view in _in_turn(page.clips) if view.preview_uri]
    return _draw(page, inline_previews(wanted, read_bytes=read_bytes, max_bytes=room))


def clip_data(page: Page) -> Mapping[str, object]:
    """What the page's script sorts by and lists in the larger view; row i belongs to card i.

    A field is heading, label, and whether its line stays without a value. The last one holds the captions,
    which stand above the picture.
    """
    row_of = _rows(page)
    return {
        "fields": [
            *([field.heading, field.label, field.shows_missing] for field in page.fields),
            ["Verdict", "Message", False],
            ["Captions", "Caption", False],
        ],
        "folded": FOLDED,
        "whatIf": {
            str(index): asdict(page.what_if[measure.column])
            for index, measure in enumerate(page.measures)
            if measure.column in page.what_if
        },
        "beside": list(dict.fromkeys(field.heading for field in page.fields if field.is_beside)),
        "measures": [measure.label for measure in page.measures],
        "units": [measure.unit for measure in page.measures],
        "clips": [
            {
                "details": view.details,
                "link": view.link,
                "scores": [_finite(view.scores[measure.column]) for measure in page.measures],
                "shown": [words.number(view.scores[measure.column]) for measure in page.measures],
                **_pair(page, view, row_of),
            }
            for view in page.clips
        ],
    }


def _pair(page: Page, view: ClipView, row_of: Mapping[str, int]) -> Mapping[str, object]:
    """The clip that was kept instead, of a duplicate."""
    pair = page.pairs.get(view.clip_id)
    if pair is None:
        return {}
    return {"pair": {"keeper": row_of[pair.keeper_id], "because": pair.because, "rows": pair.rows}}


def _rows(page: Page) -> Mapping[str, int]:
    """The card of each clip."""
    return {view.clip_id: row for row, view in enumerate(page.clips)}


def _draw(page: Page, previews: InlinedPreviews) -> str:
    return (
        _templates()
        .get_template("report.html.j2")
        .render(
            word=words,
            page=page,
            previews=previews,
            data=Markup(words.script_json(clip_data(page))),
            column_index={measure.column: index for index, measure in enumerate(page.measures)},
            row_of=_rows(page),
        )
    )


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("clipmill.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_compiled_templates(),
    )
    environment.filters.update({"timecode": words.timecode, "count": words.count})
    return environment


def _compiled_templates() -> jinja2.BytecodeCache | None:
    """Compiled templates beside those of this module: to compile them takes a fifth of a second.

    None where Python does not leave compiled modules there either. A template's text, this module and Jinja's
    compiler are part of the name or of the content of a file.
    """
    folder = Path(__file__).parent / "__pycache__"
    if sys.dont_write_bytecode or not os.access(folder, os.W_OK):
        return None
    facts = [os.stat(path) for path in (__file__, compiler.__file__)]
    made_by = identity.bytes_digest(repr([(one.st_mtime_ns, one.st_size) for one in facts]).encode())
    return jinja2.FileSystemBytecodeCache(str(folder), f"{made_by[:16]}-%s.template")


def _in_turn(clips: Sequence[ClipView]) -> list[ClipView]:
    """Clips in such an order that previews run out for all strata alike."""
    return [clips[row] for row in sample.in_turn([f"{clip.status}/{clip.reason}" for clip in clips])]


def _finite(value: float | None) -> float | None:
    return None if words.is_missing(value) else value
