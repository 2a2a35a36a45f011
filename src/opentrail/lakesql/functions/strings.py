"""Strings, regular expressions (RE2), URLs and bytes."""

import re

from opentrail.lakesql.errors import InvalidStatement
from opentrail.lakesql.functions.signature import Args, Function, scalar
from opentrail.lakesql.text import quoted_text
from opentrail.lakesql.types import BIGINT, BOOLEAN, VARBINARY, VARCHAR, array, map_of

_SPACE = "chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"


def _regexp_replace(args: Args) -> str:
    subject, pattern = args[0].text, args[1].text
    replacement = args[2].literal if len(args) > 2 else ""
    if not isinstance(replacement, str):
        raise InvalidStatement("regexp_replace needs its replacement as a literal string")
    escaped = replacement.replace("\\", "\\\\")
    return f"regexp_replace({subject}, {pattern}, {quoted_text(re.sub(r'[$]([0-9])', _group, escaped))}, 'g')"


def _group(match: re.Match[str]) -> str:
    return "\\" + match[1]


def _joined(args: Args) -> str:
    return "(" + " || ".join(argument.text for argument in args) + ")"


STRINGS: tuple[Function, ...] = (
    scalar("length", "text", BIGINT, "length({0})"),
    scalar("length", "binary", BIGINT, "octet_length({0})"),
    scalar("lower", "text", VARCHAR, "lower({0})"),
    scalar("upper", "text", VARCHAR, "upper({0})"),
    scalar("trim", "text", VARCHAR, f"trim({{0}}, {_SPACE})"),
    scalar("trim", "text text", VARCHAR, "trim({0}, {1})"),
    scalar("ltrim", "text", VARCHAR, f"ltrim({{0}}, {_SPACE})"),
    scalar("ltrim", "text text", VARCHAR, "ltrim({0}, {1})"),
    scalar("rtrim", "text", VARCHAR, f"rtrim({{0}}, {_SPACE})"),
    scalar("rtrim", "text text", VARCHAR, "rtrim({0}, {1})"),
    scalar("replace", "text text", VARCHAR, "replace({0}, {1}, '')"),
    scalar("replace", "text text text", VARCHAR, "replace({0}, {1}, {2})"),
    scalar("substr", "text integer", VARCHAR, "lake_substr({0}, {1})"),
    scalar("substr", "text integer integer", VARCHAR, "lake_substr_for({0}, {1}, {2})"),
    scalar("substring", "text integer", VARCHAR, "lake_substr({0}, {1})"),
    scalar("substring", "text integer integer", VARCHAR, "lake_substr_for({0}, {1}, {2})"),
    scalar("strpos", "text text", BIGINT, "strpos({0}, {1})"),
    scalar("position", "text text", BIGINT, "strpos({1}, {0})"),
    scalar("split", "text text", array(VARCHAR), "string_split({0}, {1})"),
    scalar("split", "text text integer", array(VARCHAR), "lake_split({0}, {1}, {2})"),
    scalar("split_part", "text text integer", VARCHAR, "lake_split_part({0}, {1}, {2})"),
    scalar("split_to_map", "text text text", map_of(VARCHAR, VARCHAR), "lake_split_to_map({0}, {1}, {2})"),
    scalar("concat", ("text", "text", "text*"), VARCHAR, _joined),
    scalar("concat", "text text", VARCHAR, _joined),
    scalar("concat_ws", "text text*", VARCHAR, "lake_null_if_null({0}, concat_ws({args}))"),
    scalar("lpad", "text integer text", VARCHAR, "lpad({0}, CAST({1} AS INTEGER), {2})"),
    scalar("rpad", "text integer text", VARCHAR, "rpad({0}, CAST({1} AS INTEGER), {2})"),
    scalar("reverse", "text", VARCHAR, "reverse({0})"),
    scalar("starts_with", "text text", BOOLEAN, "starts_with({0}, {1})"),
    scalar("chr", "integer", VARCHAR, "chr(CAST({0} AS INTEGER))"),
    scalar("codepoint", "text", BIGINT, "CAST(unicode({0}) AS BIGINT)"),
    scalar("translate", "text text text", VARCHAR, "translate({0}, {1}, {2})"),
    scalar("levenshtein_distance", "text text", BIGINT, "levenshtein({0}, {1})"),
    scalar("hamming_distance", "text text", BIGINT, "hamming({0}, {1})"),
    scalar("normalize", "text", VARCHAR, "nfc_normalize({0})"),
    scalar("regexp_like", "text text", BOOLEAN, "regexp_matches({0}, {1})"),
    scalar("regexp_extract", "text text", VARCHAR, "lake_regexp_extract({0}, {1}, 0)"),
    scalar("regexp_extract", "text text integer", VARCHAR, "lake_regexp_extract({0}, {1}, {2})"),
    scalar("regexp_extract_all", "text text", array(VARCHAR), "regexp_extract_all({0}, {1})"),
    scalar("regexp_extract_all", "text text integer", array(VARCHAR), "regexp_extract_all({0}, {1}, {2})"),
    scalar("regexp_replace", "text text", VARCHAR, _regexp_replace),
    scalar("regexp_replace", "text text literal", VARCHAR, _regexp_replace),
    scalar("regexp_count", "text text", BIGINT, "len(regexp_extract_all({0}, {1}))"),
    scalar("regexp_split", "text text", array(VARCHAR), "regexp_split_to_array({0}, {1})"),
    scalar("url_extract_protocol", "text", VARCHAR, "lake_url_part({0}, 1)"),
    scalar("url_extract_host", "text", VARCHAR, "lake_url_part({0}, 2)"),
    scalar("url_extract_port", "text", BIGINT, "CAST(nullif(lake_url_part({0}, 3), '') AS BIGINT)"),
    scalar("url_extract_path", "text", VARCHAR, "lake_url_part({0}, 4)"),
    scalar("url_extract_query", "text", VARCHAR, "lake_url_part({0}, 5)"),
    scalar("url_extract_fragment", "text", VARCHAR, "lake_url_part({0}, 6)"),
    scalar("url_extract_parameter", "text text", VARCHAR, "lake_url_parameter({0}, {1})"),
    scalar("url_encode", "text", VARCHAR, "lake_url_encode({0})"),
    scalar("url_decode", "text", VARCHAR, "url_decode(replace({0}, '+', '%20'))"),
    scalar("to_utf8", "text", VARBINARY, "encode({0})"),
    scalar("from_utf8", "binary", VARCHAR, "decode({0})"),
    scalar("to_hex", "binary", VARCHAR, "hex({0})"),
    scalar("from_hex", "text", VARBINARY, "unhex({0})"),
    scalar("to_base64", "binary", VARCHAR, "base64({0})"),
    scalar("from_base64", "text", VARBINARY, "from_base64({0})"),
    scalar("md5", "binary", VARBINARY, "unhex(md5({0}))"),
    scalar("sha1", "binary", VARBINARY, "unhex(sha1({0}))"),
    scalar("sha256", "binary", VARBINARY, "unhex(sha256({0}))"),
)
