"""Tokens of Python source that change what the code does, equal in Python 3.11 and 3.12."""

import io
import keyword
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

Place = tuple[int, int]
"""Line, counted from 1, and column in characters."""


class Token(NamedTuple):
    """One token by the name of its type. ``end`` is the place behind its last character."""

    type: str
    text: str
    start: Place = (1, 0)
    end: Place = (1, 0)


_UNSEEN = frozenset({"COMMENT", "NL", "ENCODING", "ENDMARKER"})
_STRUCTURE = frozenset({"NEWLINE", "INDENT", "DEDENT"})
_PAIRS = {")": "(", "]": "[", "}": "{"}


def result_tokens(text: str, left_out: Mapping[Place, Place]) -> Iterator[tuple[str, str]]:
    """Yields (type, text) of the tokens of source text without comments and layout.

    NEWLINE, INDENT and DEDENT stay, without text. ``left_out`` maps the start to the end of what else is left
    out, such as docstrings. tokenize.TokenError or SyntaxError where the text is no Python.
    """
    tokens = _seen(joined_fstrings(raw_tokens(text), text), left_out)
    for token in _without_empty_lines(without_layout_commas(tokens)):
        yield token.type, "" if token.type in _STRUCTURE else token.text


def raw_tokens(text: str) -> Iterator[Token]:
    """Yields the tokens as this Python reads them."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        yield Token(tokenize.tok_name[token.type], token.string, token.start, token.end)


def joined_fstrings(tokens: Iterable[Token], text: str) -> Iterator[Token]:
    """Yields the tokens with each f-string as one STRING token of its source text.

    Python 3.11 reads an f-string as one STRING, Python 3.12 as a start, parts and an end.
    """
    lines = text.split("\n")
    begin, depth = (1, 0), 0
    for token in tokens:
        if token.type == "FSTRING_START":
            begin, depth = (begin if depth else token.start), depth + 1
        elif token.type == "FSTRING_END":
            depth -= 1
            if not depth:
                yield Token("STRING", _between(lines, begin, token.end), begin, token.end)
        elif not depth:
            yield token


def _between(lines: list[str], start: Place, end: Place) -> str:
    taken = lines[start[0] - 1 : end[0]]
    taken[-1] = taken[-1][: end[1]]
    taken[0] = taken[0][start[1] :]
    return "\n".join(taken)


def _seen(tokens: Iterable[Token], left_out: Mapping[Place, Place]) -> Iterator[Token]:
    until = (0, 0)
    for token in tokens:
        until = left_out.get(token.start, until) if token.type == "STRING" else until
        if token.type not in _UNSEEN and (token.start >= until or token.type in _STRUCTURE):
            yield token


def _without_empty_lines(tokens: Iterable[Token]) -> Iterator[Token]:
    """Yields the tokens without a NEWLINE that ends a line of which nothing is left."""
    is_empty = True
    for token in tokens:
        if token.type != "NEWLINE" or not is_empty:
            yield token
        is_empty = token.type in _STRUCTURE


class _Bracket(NamedTuple):
    before: Token | None
    opening: str
    commas: list[int]
    lambdas: list[int]


def without_layout_commas(tokens: Iterable[Token]) -> list[Token]:
    """Returns the tokens without a comma before a closing bracket that only a formatter needs.

    The comma of ``(x,)`` and ``a[x,]`` makes a tuple, so it stays.
    """
    kept: list[Token] = []
    open_brackets: list[_Bracket] = []
    for token in tokens:
        if token.type == "OP" and token.text in "([{":
            open_brackets.append(_Bracket(kept[-1] if kept else None, token.text, [], []))
        elif token.type == "OP" and token.text in _PAIRS and open_brackets:
            if _ends_in_layout_comma(open_brackets.pop(), kept):
                kept.pop()
        elif open_brackets and token.text == ",":
            open_brackets[-1].commas.append(len(kept))
        elif open_brackets and token.text == "lambda":
            open_brackets[-1].lambdas.append(len(kept))
        kept.append(token)
    return kept


def _ends_in_layout_comma(bracket: _Bracket, kept: list[Token]) -> bool:
    if not bracket.commas or bracket.commas[-1] != len(kept) - 1:
        return False
    makes_no_tuple = bracket.opening == "{" or (bracket.opening == "(" and _is_called(bracket.before))
    return makes_no_tuple or (len(bracket.commas) > 1 and not bracket.lambdas)


def _is_called(before: Token | None) -> bool:
    """True where ``(`` after this token holds arguments, parameters, bases or imported names."""
    if before is None:
        return False
    if before.type == "NAME":
        is_word = keyword.iskeyword(before.text) or before.text in ("match", "case")
        return not is_word or before.text == "import"
    return before.type == "OP" and before.text in (")", "]")
