"""What names mean at one place of a query: what it has made so far, the events' own fields, and what JSON holds."""

from dataclasses import dataclass, field

from opentrail.logsql.errors import MalformedQuery
from opentrail.logsql.literals import quoted_text
from opentrail.logsql.syntax import Field
from opentrail.logsql.values import MISSING, Kind, Value, text_value

MAX_DISCOVERED = 200
"""Fields of the messages' JSON that one query may name."""

PLACE = "struct_pack(t := ts, s := seq, g := grp)"
"""SQL that orders events by time."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The account and Region of a query, which ``@aws.account`` and ``@aws.region`` are."""

    account_id: str
    region: str


@dataclass(slots=True)
class Scope:
    """The names of one query, as far as it is compiled. ``discovered`` are the JSON pointers that it reads."""

    origin: Origin
    made: dict[str, Value] = field(default_factory=dict)
    discovered: list[str] = field(default_factory=list)
    is_grouped: bool = False

    def find(self, named: Field) -> Value:
        """Return what a field's name means; what is nowhere is missing. Raises MalformedQuery."""
        if named.name in self.made:
            return self.made[named.name]
        inner = self._inside(named)
        if inner is not None:
            return inner
        if self.is_grouped:
            return MISSING
        if named.name.startswith("@") and not named.name.startswith("@@"):
            return self._system(named.name)
        return self._discover(named)

    def _inside(self, named: Field) -> Value | None:
        """Return a member of a document that jsonParse made."""
        holder = self.made.get(named.segments[0])
        if holder is None or holder.kind is not Kind.JSON or len(named.segments) < 2:
            return None
        return Value(f"json_extract({holder.sql}, {quoted_text(_pointer(named.segments[1:]))})", Kind.JSON)

    def _system(self, name: str) -> Value:
        known = {
            "@timestamp": Value("ts", Kind.TIME),
            "@ingestionTime": Value("ing", Kind.TIME),
            "@message": text_value("message"),
            "@logStream": text_value("stream"),
            "@log": text_value("log"),
            "@ptr": text_value(POINTER),
            "@aws.account": text_value(quoted_text(self.origin.account_id)),
            "@aws.region": text_value(quoted_text(self.origin.region)),
        }
        return known.get(name, MISSING)

    def _discover(self, named: Field) -> Value:
        segments = named.segments
        if segments[0].startswith("@@"):
            segments = (segments[0][1:], *segments[1:])
        nested = tuple(".".join(segments).split("."))
        columns = [self._column(named, path) for path in dict.fromkeys((nested, segments, (".".join(segments),)))]
        raw = columns[0] if len(columns) == 1 else f"coalesce({', '.join(columns)})"
        return Value(f"logs_json_text({raw})", Kind.TEXT, raw=f"CAST({raw} AS VARCHAR)")

    def _column(self, named: Field, path: tuple[str, ...]) -> str:
        pointer = _pointer(path)
        if pointer not in self.discovered:
            if len(self.discovered) >= MAX_DISCOVERED:
                raise MalformedQuery(
                    f"the query names more than {MAX_DISCOVERED} fields of messages", named.span.start, named.span.end
                )
            self.discovered.append(pointer)
        return f"found[{self.discovered.index(pointer) + 1}]"


POINTER = "to_base64(encode(grp || '/' || ts || '/' || seq))"
"""SQL of ``@ptr``."""


def _pointer(path: tuple[str, ...]) -> str:
    """Return a JSON pointer (RFC 6901)."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
