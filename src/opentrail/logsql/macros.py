"""What the engine is taught before it sees a query of log groups: macros, and functions on addresses by their names.

``logs_ip_version(text)`` and ``logs_in_subnet(address, subnet, version)`` are ``networks.ip_version`` and
``networks.is_in_subnet``.

A macro puts its argument in wherever its text names it, so that one naming it twice doubles nested calls at each level.
Those here name each argument once: what needs it more often looks at it as the only entry of a list.
"""

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"


def _once(name: str, body: str, *arguments: str) -> str:
    """Return a macro whose body reads its arguments as ``v`` (a single one) or as members of ``v``."""
    names = arguments or ("x",)
    held = names[0] if len(names) == 1 else f"struct_pack({', '.join(f'{one} := {one}' for one in names)})"
    return f"{name}({', '.join(names)}) AS list_transform([{held}], lambda v: {body})[1]"


_MACROS = (
    _once("logs_finite", "CASE WHEN isfinite(v) THEN v END"),
    _once("logs_number", f"CASE WHEN regexp_matches(v, '{_NUMBER}') THEN logs_finite(TRY_CAST(v AS DOUBLE)) END"),
    _once(
        "logs_text",
        "CASE WHEN v = trunc(v) AND abs(v) < 1e15 THEN CAST(TRY_CAST(v AS BIGINT) AS VARCHAR) "
        "ELSE CAST(v AS VARCHAR) END",
    ),
    _once("logs_log", "CASE WHEN v > 0 THEN ln(v) END"),
    _once("logs_sqrt", "CASE WHEN v >= 0 THEN sqrt(v) END"),
    _once("logs_moment", "CASE WHEN v BETWEEN -62135596800000 AND 253402300799999 THEN make_timestamp(v * 1000) END"),
    "logs_time(t) AS strftime(logs_moment(t), '%Y-%m-%d %H:%M:%S.%g')",
    _once("logs_json", "CASE WHEN json_valid(v) THEN CAST(v AS JSON) END"),
    _once(
        "logs_object",
        "CASE WHEN ltrim(v, ' ' || chr(9) || chr(10) || chr(13)) LIKE '{%' AND json_valid(v) THEN CAST(v AS JSON) END",
    ),
    _once(
        "logs_json_text",
        "CASE CAST(v AS VARCHAR) WHEN 'true' THEN '1' WHEN 'false' THEN '0' WHEN 'null' THEN NULL "
        "ELSE json_extract_string(v, '$') END",
    ),
    _once("logs_equal", "v.a = v.b OR coalesce(logs_number(v.a) = logs_number(v.b), false)", "a", "b"),
    _once(
        "logs_order",
        "CASE WHEN logs_number(v.a) < logs_number(v.b) THEN -1 WHEN logs_number(v.a) > logs_number(v.b) THEN 1 "
        "WHEN logs_number(v.a) = logs_number(v.b) THEN 0 WHEN v.a < v.b THEN -1 WHEN v.a > v.b THEN 1 "
        "WHEN v.a = v.b THEN 0 END",
        "a",
        "b",
    ),
    "logs_natural(s) AS array_to_string(list_transform(regexp_extract_all(s, '[0-9]+|[^0-9]+'), "
    "lambda c: CASE WHEN c[1] BETWEEN '0' AND '9' THEN '0' || lpad(CAST(length(c) AS VARCHAR), 7, '0') || c "
    "ELSE c END), '')",
    _once("logs_floor", "v.t - ((((v.t - v.o) % v.n) + v.n) % v.n)", "t", "n", "o"),
    "logs_ceil(t, n, o) AS -logs_floor(-t, n, -o)",
    _once("logs_months", "CAST(year(logs_moment(v)) * 12 + month(logs_moment(v)) - 1 AS BIGINT)"),
    _once(
        "logs_month_start",
        "CASE WHEN v BETWEEN 12 AND 119999 "
        "THEN CAST(epoch_ms(make_timestamp(v // 12, v % 12 + 1, 1, 0, 0, 0.0)) AS BIGINT) END",
    ),
    "logs_month_floor(t, n) AS logs_month_start(logs_floor(logs_months(t), n, 23640))",
    _once(
        "logs_month_ceil",
        "CASE WHEN logs_month_floor(v.t, v.n) = v.t THEN v.t "
        "ELSE logs_month_start(logs_floor(logs_months(v.t), v.n, 23640) + v.n) END",
        "t",
        "n",
    ),
)


def preparation() -> tuple[str, ...]:
    """Return the statements that teach an engine all macros, in an order in which each finds those it uses."""
    return tuple(f"CREATE MACRO {macro}" for macro in _MACROS)
