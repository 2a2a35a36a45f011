"""Functions of a group of rows, and of a window."""

from opentrail.lakesql.functions.signature import Args, Function, aggregate, first_kind, window
from opentrail.lakesql.types import BIGINT, BOOLEAN, DOUBLE, VARCHAR, SqlType, array, decimal, map_of, scale_of


def _sum(args: Args) -> SqlType:
    kind = args[0].kind
    if kind.name == "decimal":
        return decimal(38, scale_of(kind))
    return BIGINT if kind.is_integer else DOUBLE


def _average(args: Args) -> SqlType:
    return DOUBLE


def _array(args: Args) -> SqlType:
    return array(args[0].kind)


def _map(args: Args) -> SqlType:
    return map_of(args[0].kind, args[1].kind)


def _counts(args: Args) -> SqlType:
    return map_of(args[0].kind, BIGINT)


GROUPS: tuple[Function, ...] = (
    aggregate("count", "", BIGINT, "count(*)"),
    aggregate("count", "any", BIGINT, "count({args})"),
    aggregate("count_if", "boolean", BIGINT, "count_if({args})", "CAST({call} AS BIGINT)"),
    aggregate("sum", "integer", BIGINT, "sum({args})", "CAST({call} AS BIGINT)"),
    aggregate("sum", "number", _sum, "sum({args})"),
    aggregate("avg", "number", _average, "avg({args})", "CAST({call} AS DOUBLE)"),
    aggregate("min", "any", first_kind, "min({args})"),
    aggregate("max", "any", first_kind, "max({args})"),
    aggregate("min", "any integer", _array, "min({args})"),
    aggregate("max", "any integer", _array, "max({args})"),
    aggregate("min_by", "any any", first_kind, "arg_min_null({args})"),
    aggregate("max_by", "any any", first_kind, "arg_max_null({args})"),
    aggregate("any_value", "any", first_kind, "any_value({args})"),
    aggregate("arbitrary", "any", first_kind, "any_value({args})"),
    aggregate("array_agg", "any", _array, "list({args})"),
    aggregate("map_agg", "any any", _map, "list(lake_entry({args}))", "lake_map_of_group({call})"),
    aggregate("histogram", "any", _counts, "histogram({args})"),
    aggregate("approx_distinct", "any", BIGINT, "count(DISTINCT {args})"),
    aggregate("approx_percentile", "number number", first_kind, "quantile_disc({args})"),
    aggregate("bool_and", "boolean", BOOLEAN, "bool_and({args})"),
    aggregate("bool_or", "boolean", BOOLEAN, "bool_or({args})"),
    aggregate("every", "boolean", BOOLEAN, "bool_and({args})"),
    aggregate("stddev", "number", DOUBLE, "stddev_samp({args})"),
    aggregate("stddev_samp", "number", DOUBLE, "stddev_samp({args})"),
    aggregate("stddev_pop", "number", DOUBLE, "stddev_pop({args})"),
    aggregate("variance", "number", DOUBLE, "var_samp({args})"),
    aggregate("var_samp", "number", DOUBLE, "var_samp({args})"),
    aggregate("var_pop", "number", DOUBLE, "var_pop({args})"),
    aggregate("corr", "number number", DOUBLE, "corr({args})", "lake_no_nan({call})"),
    aggregate("covar_pop", "number number", DOUBLE, "covar_pop({args})"),
    aggregate("covar_samp", "number number", DOUBLE, "covar_samp({args})"),
    aggregate("regr_slope", "number number", DOUBLE, "regr_slope({args})", "lake_no_nan({call})"),
    aggregate("regr_intercept", "number number", DOUBLE, "regr_intercept({args})", "lake_no_nan({call})"),
    aggregate("geometric_mean", "number", DOUBLE, "geomean({args})"),
    aggregate("bitwise_and_agg", "integer", BIGINT, "bit_and({args})", "CAST({call} AS BIGINT)"),
    aggregate("bitwise_or_agg", "integer", BIGINT, "bit_or({args})", "CAST({call} AS BIGINT)"),
    aggregate("listagg", "text", VARCHAR, "string_agg({args}, '')"),
    aggregate("listagg", "text text", VARCHAR, "string_agg({args})"),
    window("row_number", "", BIGINT, "row_number()"),
    window("rank", "", BIGINT, "rank()"),
    window("dense_rank", "", BIGINT, "dense_rank()"),
    window("percent_rank", "", DOUBLE, "percent_rank()"),
    window("cume_dist", "", DOUBLE, "cume_dist()"),
    window("ntile", "integer", BIGINT, "ntile({args})"),
    window("lag", "any", first_kind, "lag({args})"),
    window("lag", "any integer", first_kind, "lag({args})"),
    window("lag", "any integer any", first_kind, "lag({args})"),
    window("lead", "any", first_kind, "lead({args})"),
    window("lead", "any integer", first_kind, "lead({args})"),
    window("lead", "any integer any", first_kind, "lead({args})"),
    window("first_value", "any", first_kind, "first_value({args})"),
    window("last_value", "any", first_kind, "last_value({args})"),
    window("nth_value", "any integer", first_kind, "nth_value({args})"),
)
