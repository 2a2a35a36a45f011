"""``opentrail match``: rules of every pattern language tried on events, without a server.

With ``--cases`` one line of JSON in, one out; with ``--pattern`` and ``--events`` which events a rule picks.
"""

import gzip
import sys
import zlib
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO, cast

import orjson
import typer

from opentrail.cli.console import output, plain
from opentrail.cli.correlating import tell_findings
from opentrail.errors import OperatorError
from opentrail.pattern.envelope import envelope_of, is_record
from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.languages import LANGUAGES, InvalidEvent, Language, Rule, read_rule

MAX_CASE_BYTES = 4 << 20
"""One line of a cases file."""

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
        for line in _bounded_lines(lines):
            sys.stdout.write(orjson.dumps(_answer(language, line)).decode() + "\n")
    sys.stdout.flush()


def _bounded_lines(lines: BinaryIO) -> Iterator[bytes]:
    while line := lines.readline(MAX_CASE_BYTES + 1):
        if len(line) > MAX_CASE_BYTES:
            raise OperatorError(f"a case is longer than {MAX_CASE_BYTES} bytes")
        if line.strip():
            yield line


def _answer(language: Language, line: bytes) -> dict[str, Any]:
    try:
        case = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _result(None, valid=False, error=f"the case is no JSON: {error}")
    if not isinstance(case, dict) or "pattern" not in case:
        return _result(None, valid=False, error="the case is no object with a pattern")
    try:
        rule = read_rule(language, case["pattern"])
    except InvalidPattern as error:
        return _result(case.get("id"), valid=False, error=str(error))
    if "event" not in case:
        return _result(case.get("id"), valid=True)
    try:
        return _result(case.get("id"), valid=True, match=rule.matches(case["event"]))
    except InvalidEvent as error:
        return _result(case.get("id"), valid=True, error=str(error))


def _result(case_id: Any, *, valid: bool, match: bool | None = None, error: str | None = None) -> dict[str, Any]:
    return {"id": case_id, "valid": valid, "match": match, "error": error}


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
    """Yield the events of a file: a log file's records, an array, one object, or one on each line."""
    text = _content(path)
    try:
        parsed = [orjson.loads(text)]
    except orjson.JSONDecodeError:
        parsed = [_line(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for value in parsed:
        if isinstance(value, dict) and isinstance(value.get("Records"), list):
            value = value["Records"]
        yield from (item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict))


def _line(path: Path, number: int, line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise OperatorError(f"{path}, line {number}: no JSON: {error}") from error


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
