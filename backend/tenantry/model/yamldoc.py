"""YAML documents as JSON trees: what every reader of YAML agrees on, and a line number for everything else.

YAML 1.1 (kubectl, PyYAML) and YAML 1.2 read some plain scalars differently: ``on``, ``0777``, ``1_000``, ``12:30``.
Whoever wrote one meant one of the two, so it is refused and the message says to quote it. Tags, merge keys and
anything that JSON has no form for are refused too.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from tenantry.model import pieces
from tenantry.model.jsontree import depth_of
from tenantry.model.limits import MAX_BYTES, MAX_DEPTH, MAX_VALUES

try:
    from yaml import CSafeDumper as _SafeDumper
except ImportError:  # a PyYAML that was built without libyaml
    from yaml import SafeDumper as _SafeDumper  # type: ignore[assignment]

_WIDTH = 1 << 16  # characters after which a line of output is folded: never, for people
_INT64 = range(-(2**63), 2**63)

#: plain scalars on which the two versions disagree (YAML 1.1 type repository; YAML 1.2.2, section 10.3.2)
_AMBIGUOUS = re.compile(
    r"(?P<boolean>[yYnN]|[yY]es|YES|[nN]o|NO|[oO]n|ON|[oO]ff|OFF)"
    r"|(?P<octal>[-+]?0[0-9_]+|0o[0-7]+)"
    r"|(?P<number>[-+]?0b[01_]+|[-+]0x[0-9a-fA-F_]+|0x[0-9a-fA-F]*_[0-9a-fA-F_]*"
    r"|[-+]?[0-9][0-9_]*_[0-9_]*(\.[0-9_]*)?|[-+]?[0-9][0-9_]*\.[0-9]*_[0-9_]*)"
    r"|(?P<sexagesimal>[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)"
    r"|(?P<exponent>[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][0-9]+|[-+]?[0-9]+[eE][-+][0-9]+)"
    r"|(?P<timestamp>[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt \t].*)?)"
    r"|(?P<merge><<)|(?P<value>=)"
)
_WHY = {
    "boolean": 'is a boolean to some readers of YAML and text to others: write "{0}", true or false',
    "octal": 'is octal to some readers of YAML and decimal to others: write "{0}" or a decimal number',
    "number": 'is a number to some readers of YAML and text to others: write "{0}" or plain digits',
    "sexagesimal": 'is a number in base 60 to some readers of YAML and text to others: write "{0}"',
    "exponent": 'is a number to some readers of YAML and text to others: write "{0}", or 1.0e+3 for a number',
    "timestamp": 'is a date to some readers of YAML and text to others: write "{0}"',
    "merge": "is a merge key, which only some readers of YAML know: write the keys out",
    "value": 'has a meaning of its own to some readers of YAML: write "{0}"',
}
#: the core schema of YAML 1.2 (section 10.3.2), without what is ambiguous
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
#: what no text of YAML has (YAML 1.1, section 4.1)
_CONTROL = re.compile(r"[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|(?!\A)\ufeff")
_MARKER = re.compile(r"(---|\.\.\.)(?=\s|$)")
_BLANK = re.compile(r"\s*([#%].*)?")  # a comment and a directive too
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in a text, and where; ``line`` counts from 1."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.message}"


class YamlError(ValueError):
    """A text that is not YAML as we take it.

    Args:
        problems: all that were found.
        unread: lines in which further documents begin, which nobody can read because of these.
        too_large: it may be YAML, and there is too much of it.
    """

    def __init__(self, problems: Iterable[Problem], unread: Iterable[int] = (), *, too_large: bool = False) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        self.unread = tuple(unread)
        self.too_large = too_large
        super().__init__("; ".join(map(str, self.problems)))


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file: a JSON tree, and the line of everything in it.

    ``lines`` has paths as Kubernetes writes them (``spec.namespaces[0].name``), and "" for the document itself.
    """

    tree: Any
    lines: dict[str, int] = field(repr=False)

    @property
    def line(self) -> int:
        """Where the document begins."""
        return self.lines[""]

    def line_of(self, path: str) -> int:
        """The line of ``path``, or of the nearest thing around it that is there."""
        while path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines[path]


def load(text: str | bytes, *, max_values: int = MAX_VALUES) -> list[Document]:
    """The documents of ``text``, empty ones left out.

    Args:
        text: UTF-8 when it is bytes.
        max_values: how many values it may have, counting what its aliases stand for.

    Raises:
        YamlError: it is not YAML, not UTF-8, or one of the things said above; with every problem that was found.
    """
    found = list(read(text, max_values=max_values))
    if errors := [each for each in found if isinstance(each, YamlError)]:
        problems = [problem for error in errors for problem in error.problems]
        raise YamlError(problems, too_large=any(error.too_large for error in errors))
    return [each for each in found if isinstance(each, Document)]


def read(text: str | bytes, *, max_values: int = MAX_VALUES) -> Iterator[Document | YamlError]:
    """As :func:`load`, a document at a time, and in the place of a wrong one what is wrong with it.

    One that is no YAML at all is the last, because nobody knows where it ends.
    """
    try:
        text = _decode(text) if isinstance(text, bytes) else text
    except YamlError as error:
        yield error
        return
    control = pieces.search(
        _CONTROL, text, 1
    )  # libyaml meets it while it reads ahead, in the middle of some other document
    if control is None:
        yield from _Loader(text, max_values).read()
        return
    line = text.count("\n", 0, control.start()) + 1
    starts = _starts(text)
    first = max((start for start in starts if start <= line), default=1)
    yield from _Loader("\n".join(text.split("\n")[: first - 1]), max_values).read()
    problem = Problem(line, "it has a control character: write it as an escape in double quotes")
    yield YamlError([problem], (start for start in starts if start > line))


def dump(tree: Any) -> str:
    """``tree`` as one YAML document which :func:`load` and every other reader of YAML take for the same tree."""
    text: str = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_WIDTH)
    return text


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise YamlError([Problem(line, "it is not UTF-8: save the file in that encoding")]) from None


class _Loader:
    """Builds trees from the parser's events, so that nothing happens which is not written here."""

    def __init__(self, text: str, max_values: int) -> None:
        self._text = text
        self._max_values = max_values
        self._max_characters = max(MAX_BYTES, len(text))
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        self._problems: list[Problem] = []
        self._anchors: dict[str, tuple[Any, int, int]] = {}  # name -> (tree, values in it, characters in it)
        self._lines: dict[str, int] = {}
        self._values = self._characters = 0
        self._too_large = False

    def read(self) -> Iterator[Document | YamlError]:
        handled = 0  # the line of the last document
        try:
            for event in self._events:
                if isinstance(event, yaml.DocumentStartEvent):
                    document = self._document()
                    handled = document.line
                    if self._problems:
                        yield YamlError(self._problems)
                    elif document.tree is not None:
                        yield document
                    self._problems = []
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._complain(mark.line + 1 if mark else 1, f"it is not valid YAML: {error.problem or error.context}")
        except _EndError:
            pass
        if self._problems:
            unread = [start for start in _starts(self._text) if start > handled]
            yield YamlError(self._problems, unread[1:], too_large=self._too_large)

    def _document(self) -> Document:
        self._anchors, self._lines = {}, {}
        tree = None
        try:
            tree = self._value(next(self._events), "", 1)
            if self._anchors and depth_of(tree) > MAX_DEPTH:  # an alias brings the depth of what it stands for
                self._stop(self._lines[""], f"it is nested more than {MAX_DEPTH} deep")
        except _StopError:
            while not isinstance(next(self._events), yaml.DocumentEndEvent):
                pass
        return Document(tree, self._lines)

    def _value(self, event: Any, path: str, depth: int) -> Any:
        """The tree that begins with ``event``."""
        line = event.start_mark.line + 1
        self._lines[path] = line
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), line)
        if depth > MAX_DEPTH and not isinstance(event, yaml.ScalarEvent):
            self._stop(line, f"it is nested more than {MAX_DEPTH} deep")
        if event.tag is not None:
            self._complain(line, f"the tag {event.tag} is not allowed: leave it out")
        values, characters = self._values, self._characters
        self._count(1, len(event.value) if isinstance(event, yaml.ScalarEvent) else 0, line)
        tree: Any
        if isinstance(event, yaml.ScalarEvent):
            tree = self._scalar(event, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            tree = []
            while not isinstance(item := next(self._events), yaml.SequenceEndEvent):
                tree.append(self._value(item, f"{path}[{len(tree)}]", depth + 1))
        else:
            tree = self._mapping(path, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = tree, self._values - values, self._characters - characters
        return tree

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        tree: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line, here = event.start_mark.line + 1, self._lines[path]
            key = self._value(event, path, depth + 1)
            self._lines[path] = here
            self._values -= 1  # the name of a field is none
            if not isinstance(key, str):
                shown = event.value if isinstance(event, yaml.ScalarEvent) else "it"
                self._complain(line, f'a key must be text: write "{shown}"')
                key = str(key)
            elif key in tree:
                self._complain(line, f'the key "{key}" stands there twice: remove one')
            below = f"{path}.{key}" if path else key
            tree[key] = self._value(next(self._events), below, depth + 1)
            self._lines[below] = line
        return tree

    def _alias(self, name: str, line: int) -> Any:
        if name not in self._anchors:
            self._stop(line, f"the alias *{name} stands for nothing that ended before it")
        tree, values, characters = self._anchors[name]
        self._count(values, characters, line)
        return tree

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> Any:
        text: str = event.value
        if not event.implicit[0]:  # quoted or a block
            return text
        if ambiguous := _AMBIGUOUS.fullmatch(text):
            self._complain(line, f"{text} " + _WHY[ambiguous.lastgroup or ""].format(text))
        elif _NOT_FINITE.fullmatch(text):
            self._complain(line, f"{text} has no form in JSON: leave it out")
        elif _INTEGER.fullmatch(text):
            return self._number(text, line)
        elif _FLOAT.fullmatch(text):
            return self._finite(float(text), line)
        return _WORDS.get(text, text)

    def _number(self, text: str, line: int) -> int | float:
        # beyond 64 bits apimachinery makes it a float, and so does our JSON reader
        if len(text) < 30 and (number := int(text, 16 if text.startswith("0x") else 10)) in _INT64:  # noqa: PLR2004
            return number
        return self._finite(float.fromhex(text) if text.startswith("0x") else float(text), line)

    def _finite(self, number: float, line: int) -> float:
        if not math.isfinite(number):
            self._complain(line, "the number is too large")
        return number

    def _count(self, values: int, characters: int, line: int) -> None:
        self._values += values
        self._characters += characters
        if self._values > self._max_values:
            self._end(line, f"{self._max_values} values")
        if self._characters > self._max_characters:
            self._end(line, f"{self._max_characters} characters")

    def _end(self, line: int, most: str) -> NoReturn:
        self._too_large = True
        advice = "take something out of it, or make two of it"
        self._complain(line, f"it has more than {most}, counting what its aliases stand for: {advice}")
        raise _EndError

    def _complain(self, line: int, message: str) -> None:
        self._problems.append(Problem(line, message))

    def _stop(self, line: int, message: str) -> NoReturn:
        self._complain(line, message)
        raise _StopError


class _Dumper(_SafeDumper):
    """Quotes what readers of YAML disagree on, and writes no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "|" if "\n" in text else None if _is_text_when_plain(text) else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def _is_text_when_plain(text: str) -> bool:
    return text not in _WORDS and not any(
        pattern.fullmatch(text) for pattern in (_AMBIGUOUS, _NOT_FINITE, _INTEGER, _FLOAT)
    )


def _starts(text: str) -> list[int]:
    """The lines in which documents begin; in the first column ``---`` can be nothing else."""
    starts, inside = [], False
    for number, line in enumerate(text.split("\n"), 1):
        marker = _MARKER.match(line)
        inside = inside and not marker
        if not inside and not _BLANK.fullmatch(line, marker.end() if marker else 0):
            inside = True
            starts.append(number)
    return starts


class _StopError(Exception):
    """Nothing more can be said of the document."""


class _EndError(Exception):
    """Nothing more can be said of the text."""
