"""Manifests in files: every document that FILE, DIR or - holds, where it stands, and what is wrong with it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from tenantry.cli.exits import fail
from tenantry.exitcodes import Exit
from tenantry.model import yamldoc
from tenantry.model.errors import FieldError
from tenantry.model.jsontree import values_of
from tenantry.model.kinds import Address
from tenantry.model.limits import MAX_VALUES
from tenantry.model.manifest import Manifest, kind_of, parse, unknown_fields
from tenantry.model.resource import API_VERSION
from tenantry.model.yamldoc import YamlError

Command = TypeVar("Command", bound=Callable[..., Any])
SUFFIXES = (".yaml", ".yml", ".json")


def _named(_: click.Context, __: click.Parameter, sources: tuple[str, ...]) -> tuple[str, ...]:
    if "" in sources:  # an unset variable of a shell, and not the working directory
        raise click.BadParameter("it is empty; the working directory is `.`")
    return sources


def files(*, required: bool = True) -> Callable[[Command], Command]:
    """The option -f."""
    return click.option(
        "-f",
        "--filename",
        "sources",
        multiple=True,
        required=required,
        metavar="FILE|DIR|-",
        type=click.Path(allow_dash=True),
        callback=_named,
        help="File, directory of .yaml, .yml and .json files, or - for standard input; repeatable.",
    )


recursive = click.option("-R", "--recursive", is_flag=True, help="Take the directories below a directory too.")


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong in a file: ``file:path: message (line 3)``."""

    source: str
    message: str
    path: str = ""
    line: int = 0

    def __str__(self) -> str:
        where = f"{self.source}:{self.path}" if self.path else self.source
        return f"{where}: {self.message}" + (f" (line {self.line})" if self.line else "")


@dataclass(frozen=True, slots=True)
class Found:
    """One document: what it is, and where."""

    source: str
    document: yamldoc.Document
    path: str  # of it in the file's document: items[0] in a List

    @property
    def tree(self) -> Any:
        """The object."""
        return _at(self.document.tree, self.path)

    def complain(self, path: str, message: str) -> Complaint:
        """Something is wrong with a field, or for an empty path with the whole."""
        path = f"{self.path}.{path}".strip(".")
        return Complaint(self.source, message, path, self.document.line_of(path))

    @property
    def place(self) -> str:
        """Where it begins, for a sentence."""
        return f"{self.source}, line {self.document.line_of(self.path)}"


def read(sources: Sequence[str], *, recursive: bool) -> Iterator[Found | list[Complaint]]:
    """Every document in order, and in the place of one, or of a file, that cannot be read all that is wrong with it.

    Sources without any end the process: somebody meant to give some.
    """
    empty = True
    for each in _read(sources, recursive=recursive):
        empty = False
        yield each
    if sources and empty:
        fail(f"no documents in {', '.join(map(_label, sources))}", Exit.FAILED)


def mistakes(found: Found) -> list[Complaint]:
    """What is wrong with a document, by line, as far as it can be said offline; unknown fields are mistakes."""
    if values_of(found.tree) > MAX_VALUES:
        advice = "take something out of it, or make two of it"
        return [found.complain("", f"it has more than {MAX_VALUES} values: {advice}")]
    tree = found.tree
    wrong: list[Complaint] = []
    kind = kind_of(tree)
    if isinstance(kind, FieldError) and kind.path == "apiVersion":
        wrong.append(found.complain(kind.path, kind.message))
        tree = {**tree, "apiVersion": API_VERSION}  # what else is wrong is told with it, if the kind is known
        kind = kind_of(tree)
        if isinstance(kind, FieldError):
            return wrong
    parsed = parse(tree)
    if isinstance(parsed, Manifest):
        unknown = parsed.unknown
    else:
        wrong += [found.complain(error.path, error.message) for error in parsed]
        unknown = () if isinstance(kind, FieldError) else tuple(unknown_fields(kind, tree))
    wrong += [found.complain(path, "unknown field: remove it, or correct its name") for path in unknown]
    return sorted(wrong, key=lambda each: each.line)


def _read(sources: Sequence[str], *, recursive: bool) -> Iterator[Found | list[Complaint]]:
    for source in sources:
        if source == "-":
            yield from _documents(_label(source), sys.stdin.buffer.read())
        else:
            for path in _paths(Path(source), recursive=recursive):
                if isinstance(path, Complaint):
                    yield [path]
                else:
                    yield from _file(path)


@dataclass(frozen=True, slots=True)
class Named:
    """A document and the object that it is about."""

    found: Found
    at: Address


class Addresses:
    """Which objects were seen: one that stands twice is a mistake, because only one can win."""

    def __init__(self) -> None:
        self._seen: dict[Address, Found] = {}

    def add(self, at: Address, found: Found) -> Complaint | None:
        """Note an object; what is wrong when it was seen before."""
        first = self._seen.setdefault(at, found)
        if first is found:
            return None
        return found.complain("", f'{at.kind.singular} "{at.name}" stands in {first.place} already: remove one')


def named(found: Iterable[Found | list[Complaint]], namespace: str) -> Iterator[Named | list[Complaint]]:
    """Which object each document is about; complaints pass through."""
    seen = Addresses()
    for each in found:
        if isinstance(each, list):
            yield each
            continue
        at = address(each, namespace)
        if isinstance(at, Complaint):
            yield [at]
        else:
            again = seen.add(at, each)
            yield [again] if again else Named(each, at)


def address(found: Found, namespace: str) -> Address | Complaint:
    """The object that a document is about; one of a namespaced kind that names no namespace is in ``namespace``."""
    kind = kind_of(found.tree)
    if isinstance(kind, FieldError):
        return found.complain(kind.path, kind.message)
    metadata = found.tree.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    name = metadata.get("name")
    if not name or not isinstance(name, str):
        return found.complain("metadata.name", "Required value: an object is known by its name")
    return Address(kind, str(metadata.get("namespace") or namespace) if kind.namespaced else "", name)


def _label(source: str) -> str:
    return "<stdin>" if source == "-" else source


def _paths(path: Path, *, recursive: bool) -> Iterator[Path | Complaint]:
    if not path.is_dir():
        yield path
        return
    # a FIFO would be waited for, for ever
    below = sorted(
        each for each in path.glob("**/*" if recursive else "*") if each.suffix in SUFFIXES and each.is_file()
    )
    yield from below
    if not below:
        yield Complaint(str(path), "there is no .yaml, .yml or .json file in it")


def _file(path: Path) -> Iterator[Found | list[Complaint]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        yield [Complaint(str(path), str(error.strerror))]
    else:
        yield from _documents(str(path), content)


def _documents(source: str, content: bytes) -> Iterator[Found | list[Complaint]]:
    # somebody's file of many objects may be large, and has fewer values than characters unless aliases multiply them
    for document in yamldoc.read(content, max_values=max(MAX_VALUES, len(content))):
        if isinstance(document, YamlError):
            yield [Complaint(source, problem.message, line=problem.line) for problem in document.problems]
            for line in document.unread:
                yield [Complaint(source, "it was not read: what is wrong above must be mended first", line=line)]
            continue
        tree = document.tree
        if isinstance(tree, dict) and isinstance(tree.get("items"), list) and str(tree.get("kind")).endswith("List"):
            yield from (Found(source, document, f"items[{index}]") for index in range(len(tree["items"])))
        else:
            yield Found(source, document, "")


def _at(tree: Any, path: str) -> Any:
    return tree["items"][int(path.removeprefix("items[").removesuffix("]"))] if path else tree
