"""``opentrail match``: rules of every pattern language tried on events, without a server.

With ``--cases`` one line of JSON in, one out; with ``--pattern`` and ``--events`` which events a rule picks.
"""

import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, cast

import orjson
import typer

from opentrail.cli.console import output, plain, print_error
from opentrail.cli.correlating import tell_findings
from opentrail.cli.match_cases import answer_cases
from opentrail.errors import OperatorError
from opentrail.pattern.envelope import envelope_of, is_record
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.filter_pattern import json_object
from opentrail.pattern.languages import LANGUAGES, Language, Rule, read_rule

MAX_FILE_BYTES = 256 << 20
"""One file of events, inflated."""

_CHOICES = StrEnum("_CHOICES", {name.replace("-", "_").upper(): name for name in LANGUAGES})  # type: ignore[misc]


def match_command(
    language: Annotated[_CHOICES, typer.Option("--language", help="What the rule is written in.")],
    cases: Annotated[
        Path | None,
        typer.Option("--cases", metavar="FILE", help="NDJSON of id, pattern, event; one answer a line. '-' is stdin."),
    ] = None,
    pattern: Annotated[Path | None, typer.Option("--pattern", metavar="FILE", help="The rule.")] = None,
    events: Annotated[
        list[Path] | None,
        typer.Option("--events", metavar="FILE", help="Log files, JSON or NDJSON, also gzipped; may be given often."),
    ] = None,
    more_events: Annotated[list[Path] | None, typer.Argument(metavar="[FILE]...", help="More events.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say which condition kept an event out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each event.")] = False,
) -> None:
    """Try a rule on events: exit code 1 when it is not valid or picks none of them."""
    chosen = cast(Language, language.value)
    files = [*(events or []), *(more_events or [])]
    if cases is not None and pattern is None and not files:
        _answer_cases(chosen, cases)
    elif cases is None and pattern is not None and files:
        _match_files(chosen, pattern, files, explain=explain, as_json=as_json)
    else:
        raise OperatorError("give either --cases FILE, or --pattern FILE and --events FILE")


def _answer_cases(language: Language, path: Path) -> None:
    with sys.stdin.buffer if str(path) == "-" else path.open("rb") as lines:
        for answer in answer_cases(language, lines):
            sys.stdout.write(answer.decode())
    sys.stdout.flush()


def _match_files(language: Language, pattern: Path, files: list[Path], *, explain: bool, as_json: bool) -> None:
    try:
        text = pattern.read_text(encoding="utf-8")
        if language == "sigma":
            _match_correlation(text, files, as_json=as_json)
        rule = read_rule(language, text)
    except UnicodeDecodeError as error:
        raise OperatorError(f"{pattern} is no UTF-8 text") from error
    except InvalidPattern as error:
        output.print(plain(f"{pattern} is not valid: {error}"), soft_wrap=True)
        raise typer.Exit(1) from None
    asked = picked = 0
    for path in files:
        for event in _events_of(path):
            asked += 1
            subject = envelope_of(event) if language == "event-pattern" and is_record(event) else event
            picked += _tell(rule, event, subject, path, explain=explain, as_json=as_json)
    if not as_json:
        output.print(f"{picked} of {asked} events match", style="dim")
    raise typer.Exit(0 if picked else 1)


def _match_correlation(text: str, files: list[Path], *, as_json: bool) -> None:
    """Tell what a text with correlations finds, and exit; return when it holds none. Raises InvalidPattern."""
    # Imported here because pySigma is a third of the start-up time of commands that know no rule.
    from opentrail.pattern.sigma_correlations import holds_correlation, parse_sigma_correlations

    if holds_correlation(text):
        events = (event for path in files for event in _events_of(path))
        raise typer.Exit(0 if tell_findings(parse_sigma_correlations(text), events, as_json=as_json) else 1)


def _tell(rule: Rule, event: dict[str, Any], subject: Any, path: Path, *, explain: bool, as_json: bool) -> bool:
    is_match = rule.matches(subject)
    reasons = rule.explain(subject) if explain and not is_match else []
    if as_json:
        told = {"id": _shown_id(event), "file": str(path), "match": is_match, "failed": reasons}
        sys.stdout.write(orjson.dumps(told).decode() + "\n")
    elif is_match or explain:
        record = event.get("detail", event)
        record = record if isinstance(record, dict) else event
        mark = "matches" if is_match else "does not match"
        facts = (_shown_id(event), record.get("eventTime", ""), record.get("eventName", ""), mark)
        output.print(plain("  ".join(str(fact) for fact in facts)), soft_wrap=True)
        for reason in reasons:
            output.print(plain(f"    {reason}"), soft_wrap=True)
    return is_match


def _shown_id(event: dict[str, Any]) -> str:
    return str(event.get("eventID") or event.get("id") or "-")


def _events_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the events of a file: a log file's records, an array, one object, or one on each line.

    Lines that are no JSON are told on standard error and passed over; when the first one is, the file is refused.
    """
    text = _content(path).removeprefix(b"\xef\xbb\xbf")
    try:
        parsed: Iterable[Any] = [orjson.loads(text)]
    except orjson.JSONDecodeError:
        parsed = _lines(path, text)
    for value in parsed:
        if isinstance(value, dict) and isinstance(value.get("Records"), list):
            value = value["Records"]
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict))


def _lines(path: Path, text: bytes) -> Iterator[Any]:
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for place, (number, line) in enumerate(lines):
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError as error:
            # What orjson refuses may still be JSON: a number beyond a double, half a character.
            record = json_object(line.decode(errors="replace"))
            if record is not None:
                yield record
                continue
            if place == 0:
                raise OperatorError(f"{path}, line {number}: no JSON: {error}") from error
            print_error(f"{path}, line {number} is passed over: no JSON: {error}")


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        is_gzip = file.peek(2)[:2] == b"\x1f\x8b"
        try:
            content = (gzip.GzipFile(fileobj=file) if is_gzip else file).read(MAX_FILE_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise OperatorError(f"{path} is no whole gzip file") from error
    if len(content) > MAX_FILE_BYTES:
        raise OperatorError(f"{path} is larger than {MAX_FILE_BYTES} bytes")
    return content
