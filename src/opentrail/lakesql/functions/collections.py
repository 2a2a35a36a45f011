"""Arrays, maps, and the functions that take a lambda."""

from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions.signature import Args, Function, LambdaForm, first_kind, scalar
from opentrail.lakesql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    LAKE_MAP,
    TIMESTAMP,
    UNKNOWN,
    VARCHAR,
    SqlType,
    array,
    common_type,
    map_of,
    row,
)


def _element(args: Args) -> SqlType:
    return args[0].kind.parts[0] if args[0].kind.parts else UNKNOWN


def _element_of(args: Args) -> tuple[SqlType, ...]:
    return (_element(args),)


def _key_and_value(args: Args) -> tuple[SqlType, ...]:
    return args[0].kind.parts


def _two_elements(args: Args) -> tuple[SqlType, ...]:
    return (_element(args), args[1].kind.parts[0])


_EACH = LambdaForm(_element_of, ("{0}",), 1)
_ENTRY = LambdaForm(_key_and_value, ("{0}.key", "{0}.value"), 1)
_PAIR = LambdaForm(_two_elements, ("{0}[1]", "{0}[2]"), 1)
_STATE = LambdaForm(lambda args: (args[1].kind, _element(args)), ("{0}", "{1}"), 2)
_LAST = LambdaForm(lambda args: (args[2].kind.parts[0],), ("{0}",), 1)


def _result_of_lambda(args: Args) -> SqlType:
    return args[-1].kind.parts[0]


def _common(args: Args) -> SqlType:
    kind = common_type([argument.kind for argument in args])
    if kind is None:
        raise InvalidStatement(f"the types {', '.join(str(argument.kind) for argument in args)} cannot be combined")
    return kind


def _with_element(args: Args) -> SqlType:
    return array(common_type([_element(args), args[1].kind]) or _element(args))


def _real_map(args: Args) -> SqlType:
    return map_of(*args[0].kind.parts)


def element_at_map(args: Args) -> str:
    """Return the text of a map's value under a key; NULL when it has none. The lake's own maps are read as JSON."""
    if args[0].kind == LAKE_MAP:
        return f"json_extract_string({args[0].text}, lake_pointer({args[1].text}))"
    return f"{args[0].text}[{args[1].text}]"


def _element_at_array(args: Args) -> str:
    return f"list_extract({args[0].text}, {args[1].text})"


def _map_of_arrays(args: Args) -> SqlType:
    return map_of(_element(args), args[1].kind.parts[0])


def _map_of_entries(args: Args) -> SqlType:
    fields = _element(args).fields
    return map_of(fields[0][1], fields[1][1])


def _entries(args: Args) -> SqlType:
    key, value = args[0].kind.parts
    return array(row((("key", key), ("value", value))))


def _map_concat(args: Args) -> SqlType:
    return _common(args)


def _sequence_kind(args: Args) -> SqlType:
    kind = _common(args[:2])
    return array(BIGINT if kind.is_integer else kind)


def _sequence(args: Args) -> str:
    kind = _common(args[:2])
    step = (
        args[2].text
        if len(args) > 2
        else ("INTERVAL 1 DAY" if kind.is_time else f"lake_step({args[0].text}, {args[1].text})")
    )
    if kind not in (DATE, TIMESTAMP) and not kind.is_integer:
        raise InvalidStatement(f"sequence is not supported for {kind}")
    start, end = args[0].text, args[1].text
    if kind.is_integer:
        start = f"lake_start({start}, {end}, {step})"
    return f"CAST(generate_series({start}, {end}, {step}) AS {_sequence_kind(args).duckdb})"


def _zipped(args: Args) -> SqlType:
    return array(row(tuple(("", argument.kind.parts[0]) for argument in args)))


def _zip(args: Args) -> str:
    members = ", ".join(f'"f{at}" := e[{at}]' for at in range(1, len(args) + 1))
    return f"list_transform(list_zip({', '.join(a.text for a in args)}), lambda e: struct_pack({members}))"


ARRAYS: tuple[Function, ...] = (
    scalar("cardinality", "array", BIGINT, "len({0})"),
    scalar("contains", "array any", BOOLEAN, "lake_contains({0}, {1})"),
    scalar("element_at", "array integer", _element, _element_at_array),
    scalar("array_distinct", "array", first_kind, "lake_distinct({0})"),
    scalar("array_sort", "array", first_kind, "list_sort({0}, 'ASC', 'NULLS LAST')"),
    scalar("array_join", "array text", VARCHAR, "lake_join({0}, {1})"),
    scalar("array_join", "array text text", VARCHAR, "lake_join_with({0}, {1}, {2})"),
    scalar("array_max", "array", _element, "lake_unless_null_in({0}, list_max({0}))"),
    scalar("array_min", "array", _element, "lake_unless_null_in({0}, list_min({0}))"),
    scalar("array_position", "array any", BIGINT, "lake_array_position({0}, {1})"),
    scalar("array_remove", "array any", first_kind, "lake_array_remove({0}, {1})"),
    scalar("array_union", "array array", _common, "lake_distinct(list_concat({0}, {1}))"),
    scalar("array_intersect", "array array", _common, "lake_intersect({0}, {1})"),
    scalar("array_except", "array array", _common, "lake_except({0}, {1})"),
    scalar("arrays_overlap", "array array", BOOLEAN, "lake_overlap({0}, {1})"),
    scalar("concat", "array array", _common, "({0} || {1})"),
    scalar("concat", "array array array", _common, "({0} || {1} || {2})"),
    scalar("flatten", "arrays", _element, "flatten({0})"),
    scalar("reverse", "array", first_kind, "list_reverse({0})"),
    scalar("repeat", "any integer", lambda args: array(args[0].kind), "lake_repeat({0}, {1})"),
    scalar("sequence", "any any", _sequence_kind, _sequence),
    scalar("sequence", "any any any", _sequence_kind, _sequence),
    scalar("slice", "array integer integer", first_kind, "lake_slice({0}, {1}, {2})"),
    scalar("zip", "array array", _zipped, _zip),
    scalar("zip", "array array array", _zipped, _zip),
    scalar("transform", ("array", _EACH), lambda args: array(_result_of_lambda(args)), "list_transform({0}, {1})"),
    scalar("filter", ("array", _EACH), first_kind, "list_filter({0}, {1})"),
    scalar("any_match", ("array", _EACH), BOOLEAN, "lake_any(list_transform({0}, {1}))"),
    scalar("all_match", ("array", _EACH), BOOLEAN, "lake_all(list_transform({0}, {1}))"),
    scalar("none_match", ("array", _EACH), BOOLEAN, "(NOT lake_any(list_transform({0}, {1})))"),
    scalar(
        "zip_with",
        ("array", "array", _PAIR),
        lambda args: array(_result_of_lambda(args)),
        "list_transform(list_zip({0}, {1}), {2})",
    ),
    scalar(
        "reduce",
        ("array", "any", _STATE, _LAST),
        _result_of_lambda,
        lambda args: (
            f"list_transform([list_reduce({args[0].text}, {args[2].text}, "
            f"CAST({args[1].text} AS {args[2].kind.parts[0].duckdb}))], {args[3].text})[1]"
        ),
    ),
)

MAPS: tuple[Function, ...] = (
    scalar("map", "", map_of(UNKNOWN, UNKNOWN), "CAST(MAP {{}} AS MAP(VARCHAR, VARCHAR))"),
    scalar("map", "array array", _map_of_arrays, "map({0}, {1})"),
    scalar("map_from_entries", "entries", _map_of_entries, "map_from_entries({0})"),
    scalar("cardinality", "map", BIGINT, "CAST(cardinality({0}) AS BIGINT)"),
    scalar("element_at", "map any", lambda args: args[0].kind.parts[1], element_at_map),
    scalar("map_keys", "map", lambda args: array(args[0].kind.parts[0]), "map_keys({0})"),
    scalar("map_values", "map", lambda args: array(args[0].kind.parts[1]), "map_values({0})"),
    scalar("map_entries", "map", _entries, "map_entries({0})"),
    scalar("map_concat", "map map", _map_concat, "map_concat({args})"),
    scalar("map_filter", ("map", _ENTRY), _real_map, "lake_map(list_filter(map_entries({0}), {1}))"),
    scalar(
        "transform_values",
        ("map", _ENTRY),
        lambda args: map_of(args[0].kind.parts[0], _result_of_lambda(args)),
        "map(map_keys({0}), list_transform(map_entries({0}), {1}))",
    ),
    scalar(
        "transform_keys",
        ("map", _ENTRY),
        lambda args: map_of(_result_of_lambda(args), args[0].kind.parts[1]),
        "map(list_transform(map_entries({0}), {1}), map_values({0}))",
    ),
)
