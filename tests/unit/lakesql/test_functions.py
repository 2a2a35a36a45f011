"""Every allowed function gives what Trino's documentation says; every other one is refused by its name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from opentrail.lakesql import calls
from opentrail.lakesql.calls import SPECIAL_FORMS
from opentrail.lakesql.calls import _fitting_form as fitting_form
from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions import FORMS, Function
from opentrail.lakesql.functions.signature import Typed
from tests.support.lake_engine import LakeEngine

FOLDER = Path(__file__).parent
GROUPS = "(VALUES ('a', 1, 'x'), ('a', 2, 'y'), ('a', NULL, 'x'), ('b', 4, NULL)) AS t(k, n, s)"
WINDOW = "(VALUES 1, 2, 2, 4) AS t(v)"


def cases(name: str) -> list[tuple[str, str]]:
    lines = (FOLDER / name).read_text().splitlines()
    split = (line.partition(" => ") for line in lines if line and not line.startswith("#"))
    return [(expression, result) for expression, _, result in split]


@pytest.fixture(scope="module")
def engine() -> Iterator[LakeEngine]:
    engine = LakeEngine()
    yield engine
    engine.close()


def shown(value: str | None) -> str:
    return "NULL" if value is None else value


@pytest.mark.parametrize(("expression", "result"), cases("functions.txt") + cases("documented.txt"))
def test_an_expression_gives_what_trino_gives(engine: LakeEngine, expression: str, result: str) -> None:
    assert [shown(value) for value in engine.run(f"SELECT {expression}")[0]] == [result]


@pytest.mark.parametrize(("expression", "result"), cases("groups.txt"))
def test_an_aggregate_gives_what_trino_gives(engine: LakeEngine, expression: str, result: str) -> None:
    statement = f"SELECT {expression} FROM {GROUPS} GROUP BY k ORDER BY k"
    if result.startswith("REFUSED"):
        with pytest.raises(InvalidStatement):
            engine.run(statement)
        return

    assert " | ".join(shown(value) for (value,) in engine.run(statement)) == result


@pytest.mark.parametrize(("expression", "result"), cases("windows.txt"))
def test_a_window_function_gives_what_trino_gives(engine: LakeEngine, expression: str, result: str) -> None:
    rows = engine.run(f"SELECT {expression} FROM {WINDOW} ORDER BY v, row_number() OVER (ORDER BY v)")

    assert " ".join(shown(value) for (value,) in rows) == result


TAILS = {
    "functions.txt": "",
    "documented.txt": "",
    "groups.txt": f" FROM {GROUPS} GROUP BY k",
    "windows.txt": f" FROM {WINDOW}",
}


def test_every_form_of_every_allowed_function_is_among_the_cases(
    engine: LakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: set[Function] = set()

    def noting(name: str, arguments: list[Typed]) -> Function:
        asked.add(form := fitting_form(name, arguments))
        return form

    monkeypatch.setattr(calls, "_fitting_form", noting)
    for name, tail in TAILS.items():
        for expression, result in cases(name):
            if not result.startswith("REFUSED"):
                engine.translate(f"SELECT {expression}{tail}")

    # LISTAGG has a syntax of its own, which chooses no form.
    assert [str(form) for name in FORMS.keys() - {"listagg"} for form in FORMS[name] if form not in asked] == []


def test_what_no_form_describes_is_among_the_cases() -> None:
    text = "\n".join(expression for name in TAILS for expression, _ in cases(name))
    called = {name.lower() for name in re.findall(r"([a-z_0-9]+)\s*\(", text, re.IGNORECASE)}

    assert sorted({*SPECIAL_FORMS, "listagg"} - {"grouping"} - called) == []


@pytest.mark.parametrize(
    "name",
    ["read_csv", "read_text", "glob", "getenv", "lake_map", "duckdb_settings", "query", "nextval", "current_setting",
     "json_transform", "xxhash64", "parse_duration", "set_bit", "write_log", "pg_read_file", "error", "md5_number"],
)  # fmt: skip
def test_a_function_that_is_not_allowed_is_refused_by_name(engine: LakeEngine, name: str) -> None:
    with pytest.raises(InvalidStatement, match=f"line 1:8: Function '{name}' not registered"):
        engine.run(f"SELECT {name}('x')")


def test_a_function_with_arguments_of_the_wrong_type_names_both(engine: LakeEngine) -> None:
    with pytest.raises(InvalidStatement) as refusal:
        engine.run("SELECT 1,\n  lower(1)")

    assert str(refusal.value) == "line 2:3: Unexpected parameters (integer) for function lower. Expected: lower(text)"
