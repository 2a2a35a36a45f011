"""JSON: documents, and values read out of them by a path."""

import re

from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions.signature import Args, Function, scalar
from opentrail.lakesql.text import quoted_text
from opentrail.lakesql.types import BIGINT, BOOLEAN, JSON, VARCHAR

_STEP = re.compile(
    r"""\.(?P<name>[^.\[\]"'*\s]+)|\.?\["(?P<double>[^"]*)"\]|\.?\['(?P<single>[^']*)'\]|\[(?P<index>\d+)\]"""
    r"""|(?P<every>\[\*\]|\.\*)"""
)


def read_path(path: str) -> list[str | int | None]:
    """Return the steps of a JSON path: names, indexes from 0, and None for every element."""
    steps: list[str | int | None] = []
    text = path.strip()
    place = 1
    while text.startswith("$") and place < len(text):
        match = _STEP.match(text, place)
        if match is None:
            break
        name = next((match[group] for group in ("name", "double", "single") if match[group] is not None), None)
        steps.append(name if name is not None else int(match["index"]) if match["index"] else None)
        place = match.end()
    if not text.startswith("$") or place < len(text):
        raise InvalidStatement(f"Invalid JSON path: '{path}'")
    return steps


def _duckdb_path(args: Args, place: int = 1) -> tuple[str, bool]:
    steps = read_path(str(args[place].literal))
    if None in steps:
        return quoted_text("$" + "".join(_json_path_step(step) for step in steps)), True
    parts = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return quoted_text("".join(f"/{part}" for part in parts)), False


def _json_path_step(step: str | int | None) -> str:
    if step is None:
        return "[*]"
    return f"[{step}]" if isinstance(step, int) else f'."{step}"'


def _document(args: Args) -> str:
    """A text that is no JSON has nothing in it, as in Trino; documents were checked when they were made."""
    return args[0].text if args[0].kind == JSON else f"lake_json({args[0].text})"


def _json_extract(args: Args) -> str:
    path, is_many = _duckdb_path(args)
    if path == "''":
        return _document(args)
    extracted = f"json_extract({_document(args)}, {path})"
    return f"to_json({extracted})" if is_many else extracted


def _json_extract_scalar(args: Args) -> str:
    path, is_many = _duckdb_path(args)
    if is_many:
        raise InvalidStatement(f"json_extract_scalar needs a path to one value, not '{args[1].literal}'")
    return f"lake_json_scalar({_document(args)}, {path})"


def _json_size(args: Args) -> str:
    path, _ = _duckdb_path(args)
    return f"lake_json_size({_document(args)}, {path})"


DOCUMENTS: tuple[Function, ...] = (
    scalar("json_extract", "json literal", JSON, _json_extract),
    scalar("json_extract_scalar", "json literal", VARCHAR, _json_extract_scalar),
    scalar("json_size", "json literal", BIGINT, _json_size),
    scalar("json_parse", "text", JSON, "json({0})"),
    scalar("json_format", "json", VARCHAR, "CAST({0} AS VARCHAR)"),
    scalar("json_array_length", "json", BIGINT, lambda args: f"lake_json_array_length({_document(args)})"),
    scalar(
        "json_array_contains",
        "json any",
        BOOLEAN,
        lambda args: f"lake_json_array_contains({_document(args)}, {args[1].text})",
    ),
    scalar(
        "json_array_get", "json integer", JSON, lambda args: f"lake_json_element({_document(args)}, {args[1].text})"
    ),
    scalar("is_json_scalar", "json", BOOLEAN, "(json_type({0}) NOT IN ('OBJECT', 'ARRAY'))"),
)
