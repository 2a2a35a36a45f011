"""The prompt of ``opentrail query``: statements over several lines, ended by a semicolon; history and completion."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from opentrail.cli.columns import Column
from opentrail.cli.console import output, plain, print_error, print_table
from opentrail.cli.query_session import QuerySession
from opentrail.errors import OperatorError

_WORDS = """
SELECT DISTINCT FROM WHERE AND OR NOT IN IS NULL LIKE BETWEEN GROUP BY HAVING ORDER ASC DESC NULLS FIRST LAST LIMIT
OFFSET WITH AS JOIN LEFT RIGHT FULL INNER CROSS ON USING UNION ALL EXCEPT INTERSECT CASE WHEN THEN ELSE END CAST
UNNEST WINDOW OVER PARTITION TIMESTAMP INTERVAL COUNT SUM AVG MIN MAX COALESCE ELEMENT_AT JSON_EXTRACT_SCALAR
DATE_TRUNC DATE_ADD NOW REGEXP_LIKE APPROX_DISTINCT ARRAY_AGG
"""

HELP = """Statements end with a semicolon. FROM takes event_history, or an event data store's id, ARN or name.
  \\t          the tables        \\d TABLE    its columns
  \\s WORDS    sample queries    \\q          leave (Ctrl-D, too)
Ctrl-C cancels a running query, or drops what was typed."""

_WORD = re.compile(r"[\w.]+$")
_AFTER_FROM = re.compile(r"\b(from|join)\s+[\w\"-]*$", re.IGNORECASE)


class SqlCompleter(Completer):
    """Completes tables after FROM and JOIN; elsewhere columns (dotted members once their row is typed) and words."""

    def __init__(self, tables: dict[str, Any]) -> None:
        self._tables = [_named(table["name"]) for table in tables["tables"]]
        self._columns = sorted({name for columns in tables["columns"].values() for name in columns})

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what the word at the cursor may become, in the case in which it was begun."""
        before = document.text_before_cursor
        found = _WORD.search(before)
        word = found[0] if found else ""
        if _AFTER_FROM.search(before):
            yield from (Completion(name, -len(word)) for name in self._tables if name.lower().startswith(word.lower()))
            return
        if not word:
            return
        depth = word.count(".")
        yield from (
            Completion(name, -len(word))
            for name in self._columns
            if name.startswith(word.lower()) and name.count(".") == depth
        )
        yield from (
            Completion(name if word[0].isupper() else name.lower(), -len(word))
            for name in _WORDS.split()
            if name.startswith(word.upper())
        )


class QueryPrompt:
    """Reads statements and has each run by ``run``, until the end of input."""

    def __init__(
        self,
        session: QuerySession,
        history: Path,
        run: Callable[[str], object],
        print_samples: Callable[[str], None],
    ) -> None:
        self._tables = session.tables()
        self._print_samples = print_samples
        self._run = run
        self._lines: PromptSession[str] = PromptSession(
            history=FileHistory(str(_private(history))),
            completer=SqlCompleter(self._tables),
            complete_while_typing=False,
            multiline=Condition(self._is_unfinished),
            prompt_continuation=lambda width, number, is_soft: "   -> ".rjust(width),
            key_bindings=_keys(),
        )

    def run(self) -> None:
        """Prompt until the end of input or ``\\q``."""
        output.print(plain("Opentrail SQL. Statements end with ; and \\? is help."))
        while True:
            try:
                text = self._lines.prompt("query> ").strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if text in ("\\q", "exit", "quit", "exit;", "quit;"):
                return
            if text.strip("; \n"):
                self._answer(text)

    def _answer(self, text: str) -> None:
        try:
            if text.startswith("\\"):
                self._command(text)
            else:
                self._run(text)
        except OperatorError as error:
            print_error(str(error))
        except KeyboardInterrupt:
            output.print(plain("Cancelled."))

    def _command(self, text: str) -> None:
        command, _, rest = text.partition(" ")
        if command == "\\t":
            rows = [[table["name"], table["kind"], table["arn"]] for table in self._tables["tables"]]
            print_table(["Table", Column("Kind"), "ARN"], rows, "There are no tables.", is_cut=False)
        elif command == "\\d":
            self._describe(rest.strip().strip('";'))
        elif command == "\\s":
            self._print_samples(rest.strip())
        else:
            for line in HELP.splitlines():
                output.print(plain(line))

    def _describe(self, name: str) -> None:
        names = ("name", "arn", "id")
        tables = [{**table, "id": table["arn"].rpartition("/")[2]} for table in self._tables["tables"]]
        kinds = [table["kind"] for table in tables if name and name in (table[one] for one in names)]
        if not kinds:
            raise OperatorError(f"there is no table {name}; \\t lists those there are")
        rows = [list(column) for column in self._tables["columns"][kinds[0]].items()]
        print_table([Column("Column"), "Type"], rows, "It has no columns.")

    def _is_unfinished(self) -> bool:
        text = self._lines.default_buffer.text.strip()
        return bool(text) and not text.startswith("\\") and not text.endswith(";") and text not in ("exit", "quit")


def _named(name: str) -> str:
    """Return a table's name as SQL takes it."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else f'"{name}"'


def _private(path: Path) -> Path:
    """Return the history's file, made so that only its owner can read it: statements tell what somebody looks for."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    return path


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.validate_and_handle()

    return keys
