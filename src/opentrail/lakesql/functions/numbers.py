"""Numbers, and what is computed with their bits."""

from opentrail.lakesql.functions.signature import Args, Function, first_kind, scalar
from opentrail.lakesql.types import BIGINT, BOOLEAN, DOUBLE, VARCHAR, SqlType, common_type, decimal


def _whole(args: Args) -> SqlType:
    return decimal(38, 0) if args[0].kind.name == "decimal" else args[0].kind


def _rounded(name: str) -> Function:
    def text(args: Args) -> str:
        return f"CAST({_DUCKDB[name]}({args[0].text}) AS {_whole(args).duckdb})"

    return scalar(name, "number", _whole, text)


_DUCKDB = {"ceil": "ceil", "ceiling": "ceil", "floor": "floor", "round": "round", "truncate": "trunc"}


def _common(args: Args) -> SqlType:
    return common_type([argument.kind for argument in args]) or DOUBLE


def _to_places(args: Args) -> str:
    return f"CAST(round({args[0].text}, CAST({args[1].text} AS INTEGER)) AS {args[0].kind.duckdb})"


_OF_ONE_DOUBLE = {
    "sqrt": "sqrt", "cbrt": "lake_cbrt", "exp": "exp", "ln": "ln", "log2": "log2", "log10": "log10", "sin": "sin",
    "cos": "cos", "tan": "tan",
    "asin": "asin", "acos": "acos", "atan": "atan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "degrees": "degrees", "radians": "radians",
}  # fmt: skip

NUMBERS: tuple[Function, ...] = (
    scalar("abs", "number", first_kind, "abs({0})"),
    *(_rounded(name) for name in _DUCKDB),
    scalar("round", "number integer", first_kind, _to_places),
    scalar("sign", "number", first_kind, lambda args: f"CAST(sign({args[0].text}) AS {args[0].kind.duckdb})"),
    scalar("mod", "number number", _common, "({0} % {1})"),
    *(
        scalar(name, "number", DOUBLE, f"{function}(CAST({{0}} AS DOUBLE))")
        for name, function in _OF_ONE_DOUBLE.items()
    ),
    scalar("power", "number number", DOUBLE, "pow(CAST({0} AS DOUBLE), {1})"),
    scalar("pow", "number number", DOUBLE, "pow(CAST({0} AS DOUBLE), {1})"),
    scalar("atan2", "number number", DOUBLE, "atan2({0}, {1})"),
    scalar("log", "number number", DOUBLE, "(ln(CAST({1} AS DOUBLE)) / ln(CAST({0} AS DOUBLE)))"),
    scalar("pi", "", DOUBLE, "pi()"),
    scalar("e", "", DOUBLE, "exp(CAST(1 AS DOUBLE))"),
    scalar("random", "", DOUBLE, "random()"),
    scalar("rand", "", DOUBLE, "random()"),
    scalar("nan", "", DOUBLE, "CAST('NaN' AS DOUBLE)"),
    scalar("infinity", "", DOUBLE, "CAST('Infinity' AS DOUBLE)"),
    scalar("is_nan", "number", BOOLEAN, "isnan(CAST({0} AS DOUBLE))"),
    scalar("is_finite", "number", BOOLEAN, "isfinite(CAST({0} AS DOUBLE))"),
    scalar("is_infinite", "number", BOOLEAN, "isinf(CAST({0} AS DOUBLE))"),
    scalar("width_bucket", "number number number integer", BIGINT, "lake_width_bucket({0}, {1}, {2}, {3})"),
    scalar("to_base", "integer integer", VARCHAR, "lower(to_base({0}, CAST({1} AS INTEGER)))"),
    scalar("from_base", "text integer", BIGINT, "lake_from_base({0}, {1})"),
    scalar("bitwise_and", "integer integer", BIGINT, "CAST(({0} & {1}) AS BIGINT)"),
    scalar("bitwise_or", "integer integer", BIGINT, "CAST(({0} | {1}) AS BIGINT)"),
    scalar("bitwise_xor", "integer integer", BIGINT, "CAST(xor(CAST({0} AS BIGINT), CAST({1} AS BIGINT)) AS BIGINT)"),
    scalar("bitwise_not", "integer", BIGINT, "CAST(~CAST({0} AS BIGINT) AS BIGINT)"),
)
