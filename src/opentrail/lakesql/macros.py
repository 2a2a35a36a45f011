"""What DuckDB is taught before it sees a statement: macros for what Trino does and no DuckDB function does alike.

They are run once in each engine, ahead of the lock that ends all changes. Statements cannot name them: they are not on
the allow-list.
"""

_URL = (
    r"^(?:([A-Za-z][A-Za-z0-9+.-]*):)?(?://(?:[^/?#@]*@)?([^/?#:]*)(?::([0-9]*))?)?"
    r"([^?#]*)(?:\?([^#]*))?(?:#(.*))?$"
)

MAX_ENTRIES = 10_000
"""What repeat and sequence may make at most, as in Trino."""

MACROS: tuple[str, ...] = (
    "lake_utc(t) AS make_timestamp(epoch_us(t))",
    "lake_null_if_null(a, r) AS CASE WHEN a IS NULL THEN NULL ELSE r END",
    "lake_substr(s, b) AS CASE WHEN b = 0 OR -b > length(s) THEN '' ELSE substr(s, b) END",
    "lake_substr_for(s, b, n) AS CASE WHEN b = 0 OR -b > length(s) OR n <= 0 THEN '' ELSE substr(s, b, n) END",
    "lake_split_parts(p, d, n) AS CASE WHEN len(p) <= n THEN p "
    "ELSE list_append(p[1:n - 1], array_to_string(p[n:], d)) END",
    "lake_split(s, d, n) AS lake_split_parts(string_split(s, d), d, n)",
    "lake_split_part(s, d, n) AS list_extract(string_split(s, d), CASE WHEN n > 0 THEN n END)",
    "lake_map(e) AS map_from_entries(e)",
    "lake_split_to_map(s, a, b) AS map_from_entries(list_transform(string_split(s, a), "
    "lambda p: struct_pack(k := split_part(p, b, 1), v := substr(p, strpos(p, b) + length(b)))))",
    "lake_regexp_extract(s, p, n) AS CASE WHEN regexp_matches(s, p) THEN regexp_extract(s, p, n) END",
    f"lake_url_part(u, n) AS CASE WHEN u IS NOT NULL THEN regexp_extract(u, '{_URL}', n) END",
    "lake_url_parameters(u) AS list_transform(string_split(lake_url_part(u, 5), '&'), lambda p: string_split(p, '='))",
    "lake_url_parameter(u, n) AS CASE WHEN u IS NOT NULL THEN list_transform(list_filter(lake_url_parameters(u), "
    "lambda p: url_decode(p[1]) = n), "
    "lambda p: url_decode(replace(coalesce(array_to_string(p[2:], '='), ''), '+', '%20')))[1] END",
    "lake_url_encode(s) AS replace(replace(replace(url_encode(s), '%20', '+'), '~', '%7E'), '%2A', '*')",
    "lake_width_bucket(x, lo, hi, n) AS CAST(CASE WHEN x < lo THEN 0 WHEN x >= hi THEN n + 1 "
    "ELSE floor((x - lo) * n / CAST(hi - lo AS DOUBLE)) + 1 END AS BIGINT)",
    "lake_from_base(s, b) AS CAST(list_reduce(list_transform(string_split(lower(s), ''), "
    "lambda c: CAST(strpos('0123456789abcdefghijklmnopqrstuvwxyz', c) - 1 AS BIGINT)), "
    "lambda x, y: x * b + y) AS BIGINT)",
    # A day, a week's Monday or one of its days, a day of the year.
    "lake_iso_date(s) AS CASE WHEN regexp_full_match(s, '\\d{4}-W\\d{2}(-\\d)?') "
    "THEN CAST(strptime(CASE WHEN length(s) = 8 THEN s || '-1' ELSE s END, '%G-W%V-%u') AS DATE) "
    "WHEN regexp_full_match(s, '\\d{4}-\\d{3}') THEN CAST(strptime(s, '%Y-%j') AS DATE) ELSE CAST(s AS DATE) END",
    "lake_no_nan(x) AS CASE WHEN NOT isnan(x) THEN x END",
    # Java's text of a double: plain from 0.001 to 10,000,000, else as 1.25E-5, always with a digit behind the point.
    "lake_digits(t) AS rtrim(ltrim(replace(split_part(t, 'e', 1), '.', ''), '0'), '0')",
    "lake_exponent(t) AS coalesce(TRY_CAST(split_part(t, 'e', 2) AS INTEGER), 0) "
    "+ length(split_part(split_part(t, 'e', 1), '.', 1)) - 1 "
    "- (length(replace(split_part(t, 'e', 1), '.', '')) - length(ltrim(replace(split_part(t, 'e', 1), '.', ''), '0')))",
    "lake_scientific(t) AS left(lake_digits(t), 1) || '.' || "
    "CASE WHEN length(lake_digits(t)) > 1 THEN substr(lake_digits(t), 2) ELSE '0' END || 'E' || lake_exponent(t)",
    "lake_double_text(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'Infinity' "
    "ELSE '-Infinity' END WHEN x = 0 OR (abs(x) >= 0.001 AND abs(x) < 10000000) THEN CAST(x AS VARCHAR) "
    "ELSE CASE WHEN x < 0 THEN '-' ELSE '' END || lake_scientific(CAST(abs(x) AS VARCHAR)) END",
    "lake_cbrt(x) AS CASE WHEN round(cbrt(x)) * round(cbrt(x)) * round(cbrt(x)) = x THEN round(cbrt(x)) "
    "ELSE cbrt(x) END",
    "lake_pointer(k) AS '/' || replace(replace(k, '~', '~0'), '/', '~1')",
    "lake_json(s) AS CASE WHEN json_valid(s) THEN CAST(s AS JSON) END",
    "lake_json_scalar(j, p) AS CASE WHEN json_type(j, p) NOT IN ('OBJECT', 'ARRAY') THEN json_extract_string(j, p) END",
    "lake_json_size(j, p) AS CAST(CASE json_type(j, p) WHEN 'OBJECT' THEN len(json_keys(j, p)) "
    "WHEN 'ARRAY' THEN json_array_length(j, p) WHEN NULL THEN NULL ELSE 0 END AS BIGINT)",
    "lake_json_array_length(j) AS CASE WHEN json_type(j) = 'ARRAY' THEN CAST(json_array_length(j) AS BIGINT) END",
    "lake_json_element(j, n) AS json_extract(j, '$[' || CASE WHEN n < 0 THEN '#' ELSE '' END || n || ']')",
    "lake_json_array_contains(j, x) AS CASE WHEN json_type(j) = 'ARRAY' THEN "
    "list_contains(list_transform(CAST(j AS JSON[]), lambda e: CAST(e AS VARCHAR)), CAST(to_json(x) AS VARCHAR)) END",
    # Of what is an object alone: anything else is no map, and has neither a key nor a value.
    "lake_has_key(s, k) AS CASE json_type(s) WHEN 'OBJECT' THEN json_exists(s, lake_pointer(k)) END",
    "lake_text_map(s) AS TRY_CAST(lake_json(s) AS MAP(VARCHAR, VARCHAR))",
    "lake_has_null(a) AS len(list_filter(a, lambda e: e IS NULL)) > 0",
    "lake_unless_null_in(a, r) AS CASE WHEN NOT lake_has_null(a) THEN r END",
    "lake_contains(a, x) AS CASE WHEN list_contains(a, x) THEN true WHEN lake_has_null(a) THEN NULL "
    "ELSE list_contains(a, x) END",
    "lake_overlap(a, b) AS CASE WHEN list_has_any(a, b) THEN true WHEN lake_has_null(a) OR lake_has_null(b) THEN NULL "
    "ELSE list_has_any(a, b) END",
    "lake_distinct(a) AS list_filter(a, lambda e, i: CASE WHEN e IS NULL "
    "THEN i = 1 OR NOT lake_has_null(a[1:i - 1]) ELSE list_position(a, e) = i END)",
    "lake_join(a, d) AS array_to_string(list_transform(a, lambda e: CAST(e AS VARCHAR)), d)",
    "lake_join_with(a, d, n) AS array_to_string(list_transform(a, lambda e: coalesce(CAST(e AS VARCHAR), n)), d)",
    "lake_array_position(a, x) AS CASE WHEN a IS NOT NULL AND x IS NOT NULL "
    "THEN CAST(coalesce(list_position(a, x), 0) AS BIGINT) END",
    "lake_array_remove(a, x) AS CASE WHEN x IS NOT NULL THEN list_filter(a, lambda e: e IS NULL OR e <> x) END",
    "lake_in(a, e) AS CASE WHEN e IS NULL THEN lake_has_null(a) ELSE list_contains(a, e) END",
    "lake_intersect(a, b) AS list_filter(lake_distinct(a), lambda e: lake_in(b, e))",
    "lake_except(a, b) AS list_filter(lake_distinct(a), lambda e: NOT lake_in(b, e))",
    f"lake_repeat(x, n) AS list_transform(range(CASE WHEN n > {MAX_ENTRIES} THEN CAST(error("
    f"'count argument of repeat function must be less than or equal to {MAX_ENTRIES}') AS BIGINT) "
    "ELSE CAST(n AS BIGINT) END), lambda i: x)",
    f"lake_start(a, b, s) AS CASE WHEN (CAST(b AS HUGEINT) - a) / s >= {MAX_ENTRIES} THEN CAST(error("
    f"'result of sequence function must not have more than {MAX_ENTRIES} entries') AS BIGINT) "
    "ELSE CAST(a AS BIGINT) END",
    "lake_step(a, b) AS CASE WHEN b >= a THEN 1 ELSE -1 END",
    "lake_slice(a, b, n) AS CASE WHEN b > 0 THEN a[b:b + n - 1] WHEN -b > len(a) THEN a[1:0] "
    "ELSE a[len(a) + b + 1:len(a) + b + n] END",
    "lake_any(t) AS CASE WHEN list_contains(t, true) THEN true WHEN lake_has_null(t) THEN NULL "
    "WHEN t IS NULL THEN NULL ELSE false END",
    "lake_all(t) AS CASE WHEN list_contains(t, false) THEN false WHEN lake_has_null(t) THEN NULL "
    "WHEN t IS NULL THEN NULL ELSE true END",
    "lake_entry(k, v) AS struct_pack(k := k, v := v)",
    "lake_map_keys(e) AS list_distinct(list_transform(e, lambda x: x.k))",
    "lake_map_of_group(e) AS map(lake_map_keys(e), list_transform(lake_map_keys(e), "
    "lambda k: list_filter(e, lambda x: x.k = k)[-1].v))",
)


def preparation() -> tuple[str, ...]:
    """Return the statements that teach an engine all macros, in an order in which each finds those it uses."""
    return tuple(f"CREATE MACRO {macro}" for macro in MACROS)
