"""What the pages of the languages say, sentence by sentence: each row quotes its page and shows that it is so."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.languages import Language, read_rule
from opentrail.query.replay.rules import read_replay_rule

PAGES_FOLDER = Path(__file__).parents[3] / "docs" / "languages"


class Row(NamedTuple):
    """A quotation, a rule, and events that it picks and does not pick; or a piece of the text it is refused with."""

    quoted: str
    rule: Any
    picks: tuple[Any, ...] = ()
    leaves: tuple[Any, ...] = ()
    refusal: str = ""


def field(*values: Any) -> dict[str, Any]:
    return {"a": list(values)}


EVENT_PATTERNS = (
    Row("joined by AND", {"a": [1], "b": [2]}, ({"a": 1, "b": 2, "c": 3},), ({"a": 1}, {"b": 2})),
    Row("the values of a field by OR", field(1, "x", None), ({"a": 1}, {"a": "x"}, {"a": None}), ({"a": 2},)),
    Row("the objects of `$or` by OR", {"$or": [{"a": [1]}, {"b": [1]}]}, ({"a": 1}, {"b": 1}), ({"c": 1},)),
    Row("`prefix`", field({"prefix": "x"}), ({"a": "xy"},), ({"a": "yx"},)),
    Row("`suffix`", field({"suffix": {"equals-ignore-case": ".PNG"}}), ({"a": "b.png"},), ({"a": "b.png2"},)),
    Row(
        '`{"equals-ignore-case": text}`', field({"prefix": {"equals-ignore-case": "X"}}), ({"a": "xy"},), ({"a": "y"},)
    ),
    Row("`equals-ignore-case`", field({"equals-ignore-case": "Foo"}), ({"a": "fOO"},), ({"a": "fo"},)),
    Row("`exists`", field({"exists": True}), ({"a": None}, {"a": [1]}), ({}, {"a": {}}, {"a": []})),
    Row("`cidr`", field({"cidr": "10.0.0.0/8"}), ({"a": "10.9.8.7"},), ({"a": "11.0.0.1"}, {"a": "x"})),
    Row("`numeric`", field({"numeric": [">", 0, "<=", 5]}), ({"a": 5.0},), ({"a": 0}, {"a": "5"}, {"a": None})),
    Row("`exactly`", field({"exactly": "x"}), ({"a": "x"},), ({"a": "X"},)),
    Row("`anything-but`", field({"anything-but": ["x", "y"]}), ({"a": "z"}, {"a": 1}), ({"a": "x"}, {})),
    Row("(texts, numbers, or", field({"anything-but": {"suffix": ["x", "y"]}}), ({"a": "xz"},), ({"a": "zx"},)),
    Row(
        "`wildcard`, `equals-ignore-case` of a text",
        field({"anything-but": {"wildcard": "*x*"}}),
        ({"a": "y"},),
        ({"a": "axb"},),
    ),
    Row('`{"a.b": ...}` are one field', {"a": {"b": [1]}}, ({"a.b": 1}, {"a": {"b": 1}}), ({"a": {"c": 1}},)),
    Row("in pattern and event alike", {"a.b": [1]}, ({"a.b": 1}, {"a": {"b": 1}}), ()),
    Row(
        "Arrays at any depth are entered", {"a": {"b": [1]}}, ({"a": [[{"b": [[2], [1]]}]]},), ({"a": [[{"b": [[]]}]]},)
    ),
    Row(
        "met by the same element of each array",
        {"a": {"b": [1], "c": [2]}},
        ({"a": [{"b": 0}, {"b": 1, "c": 2}]},),
        ({"a": [{"b": 1, "c": 0}, {"b": 0, "c": 2}]},),
    ),
    Row("(an array's own scalars", {"a": {"b": [1], "c": [2]}}, ({"a": {"b": [1, 3], "c": [4, 2]}},)),
    Row("Objects and empty arrays are no values", field({"anything-but": "x"}), ({"a": "y"},), ({"a": {}}, {"a": []})),
    Row(
        'Every operator fails but `{"exists": false}`',
        field({"exists": False}),
        ({}, {"a": {"b": 1}}, {"a": []}),
        ({"a": None},),
    ),
    Row('`1`, `"1"` and `true` differ', field(1), ({"a": 1.0},), ({"a": "1"}, {"a": True})),
    Row("compared as IEEE doubles", field(0.1), ({"a": 0.1000000000000000055},), ({"a": 0.10000001},)),
    Row("Text operators want strings", field({"prefix": "1"}), ({"a": "12"},), ({"a": 12}, {"a": True})),
    Row("holds for a value of any other type", field({"anything-but": "x"}), ({"a": None}, {"a": 1}, {"a": False}), ()),
    Row("holds when some element differs", field({"anything-but": "x"}), ({"a": ["x", "y"]},), ({"a": ["x", "x"]},)),
    Row("`::1` and `0:0:0:0:0:0:0:1` are equal", field("::1"), ({"a": "0:0:0:0:0:0:0:1"},), ({"a": "::2"},)),
    Row("A field said twice", '{"a": [1], "a": [2]}', ({"a": 2},), ({"a": 1},)),
    Row(
        "or again inside `$or`",
        '{"a": [1], "$or": [{"a": [2]}, {"b": [3]}]}',
        ({"a": 2}, {"a": 1, "b": 3}),
        ({"a": 1},),
    ),
    Row("`*` is any run", field({"wildcard": "a*c"}), ({"a": "ac"}, {"a": "abbc"}), ({"a": "acd"},)),
    Row("`\\*` and `\\\\` are themselves", field({"wildcard": "a\\*\\\\"}), ({"a": "a*\\"},), ({"a": "ab\\"},)),
    Row("At most four stretches", field({"wildcard": "*ab*ac*ad*ae*"}), ({"a": "abacadae"},), ({"a": "ab"},)),
    Row(
        "the fifth is refused", field({"wildcard": "*ab*ac*ad*ae*af"}), refusal="Rule is too complex - try using fewer"
    ),
    Row("`column` just after the token", '{"a": 12}', refusal="line: 1, column: 9]"),
    Row("of a text after its opening quote", '{"a": "x"}', refusal="line: 1, column: 8]"),
    Row("dotted tail", field("::ffff:1.2.3.4"), ({"a": "::ffff:1.2.3.4"},), ({"a": "::ffff:102:304"},)),
    Row(
        "some hundred arrays",
        {"a": {"b": [1], "c": [2]}},
        (json.loads('{"a":' + "[" * 50 + '{"b": 1, "c": 2}' + "]" * 50 + "}"),),
        (json.loads('{"a":' + "[" * 500 + '{"b": 1, "c": 2}' + "]" * 500 + "}"),),
    ),
    Row("octets with leading zeros", field("010.0.0.1"), ({"a": "010.0.0.1"},), ({"a": "10.0.0.1"},)),
    Row("`$or`", {"$or": [{"a": [1]}]}, refusal="There must have at least 2 Objects in $or relationship."),
)

FILTER_PATTERNS = (
    Row("A blank pattern", "  ", ("anything", '{"a": 1}'), ()),
    Row("`%` one regular expression", "%a[0-9]+%", ("xa12",), ("a",)),
    Row("anything else terms", "ERROR -done", ("an ERROR",), ("ERROR done", "error")),
    Row("one JSON object", "{ $.a NOT EXISTS }", ('{"b": 1}',), ('[{"b": 1}]', '{"b": 1} x', "no")),
    Row(
        "however it is written",
        "{ $.a = 1 }",
        ('{"a": 1.0}', '{"a": 1e0}', '{"a": "1"}'),
        ('{"a": "1.0"}', '{"a": "01"}'),
    ),
    Row('`= "1"` the string', '{ $.a = "1" }', ('{"a": "1"}', '{"a": 1}'), ('{"a": 1.0}',)),
    Row(
        "Integers are compared exactly",
        "{ $.a = 9007199254740993 }",
        ('{"a": 9007199254740993}',),
        ('{"a": 9007199254740992}',),
    ),
    Row("others as doubles", "{ $.a = 0.1 }", ('{"a": 0.1000000000000000055}',), ('{"a": 0.2}',)),
    Row("`<` and the like want JSON numbers", "{ $.a < 5 }", ('{"a": 4}',), ('{"a": "4"}', '{"a": null}')),
    Row(
        "pass neither way",
        "{ $.a != 1 }",
        ('{"a": 2}', '{"a": "x"}'),
        ("{}", '{"a": null}', '{"a": true}', '{"a": {}}', '{"a": []}'),
    ),
    Row("differs from every text", '{ $.a != "x" }', ('{"a": 1e309}',), ()),
    Row("from no number", "{ $.a != 1 }", (), ('{"a": 1e309}',)),
    Row("`= true` is the string", "{ $.a = true }", ('{"a": "true"}',), ('{"a": true}',)),
    Row("`IS TRUE` the boolean", "{ $.a is true }", ('{"a": true}',), ('{"a": "true"}',)),
    Row("`IS NULL` is null", "{ $.a IS NULL }", ('{"a": null}', '{"a": [null, 2]}'), ("{}", '{"a": [[null]]}')),
    Row("(below `*`: null alone)", "{ $.a[*] IS NULL }", ('{"a": [null]}',), ('{"a": [[null]]}',)),
    Row('`"Put*Policy"`', '{ $.a = "Put*Policy" }', ('{"a": "Put*Policy"}',), ('{"a": "PutUserPolicy"}',)),
    Row("`*` at either end", "{ $.a = *foo* }", ('{"a": "xfooy"}',), ('{"a": "fo"}',)),
    Row("any\n  string or number", "{ $.a = * }", ('{"a": "x"}', '{"a": 1}'), ('{"a": true}', "{}")),
    Row(
        "`[*]` and `.*` stand for", "{ $.a.* = 1 }", ('{"a": [2, 1]}', '{"a": {"b": 1}}'), ('{"a": 1}', '{"a": [[1]]}')
    ),
    Row("`!=` that none is", "{ $.a[*] != 2 }", ('{"a": 1}', '{"a": []}', '{"a": null}'), ('{"a": [1, 2]}', "{}")),
    Row('one "*" at most', "{ $.a[*].b[*] = 1 }", refusal="exceeds the maximum of 1 wildcard allowed"),
    Row(
        "held together by quotes or\nbrackets",
        "[ip, user=bob, when, what]",
        ('1 bob [a b] "c d"',),
        ('1 al [a b] "c d"',),
    ),
    Row("`...` takes any number", "[ip, ..., size > 5]", ("a b c 6",), ("a b c 5",)),
    Row("the last field is all that is left", "[ip, rest = *tail]", ("a b c tail",), ("a b c",)),
    Row("Conditions name their own field", "[a = 1 && b = 2]", refusal="Multiple variables used in a single filter"),
    Row("of `?terms` one must", "?one ?two", ("two",), ("three",)),
    Row("count for nothing", "?one two", ("two",), ("one",)),
    Row("Punctuation other than `_` and `.`", "a_b.c", ("xa_b.cx",), ("a_b",)),
    Row("wants quotes", "a:b", refusal="Invalid character(s) in term ':'"),
    Row(
        "Two a pattern",
        "{ $.a = %a% && $.b = %b% && $.c = %c% }",
        refusal="exceeded the maximum of 2 regular expressions",
    ),
    Row("no parentheses", "%(a)%", refusal="Invalid character(s) in term '%('"),
    Row("a repetition above 1,000 does not", "%a{1001}%", refusal="Failed to compile regular expression."),
)


def attributes(**values: tuple[str, str]) -> dict[str, Any]:
    return {"MessageAttributes": {name: {"Type": kind, "Value": value} for name, (kind, value) in values.items()}}


def body(policy: Any) -> dict[str, Any]:
    return {"FilterPolicy": policy, "FilterPolicyScope": "MessageBody"}


FILTER_POLICIES = (
    Row(
        "`MessageAttributes` (the default)",
        field("x"),
        (attributes(a=("String", "x")),),
        (attributes(b=("String", "x")),),
    ),
    Row(
        "`Number` attributes are numbers",
        field({"numeric": [">", 5]}),
        (attributes(a=("Number", "6")),),
        (attributes(a=("String", "6")),),
    ),
    Row(
        "a `String.Array` matches\n  by any item",
        field("x"),
        (attributes(a=("String.Array", '["y", "x"]')),),
        (attributes(a=("String.Array", '["y"]')),),
    ),
    Row("a `Binary` one exists", field({"exists": True}), (attributes(a=("Binary", "eA==")),), (attributes(),)),
    Row("equals nothing", field("eA==", "x"), (), (attributes(a=("Binary", "eA==")),)),
    Row("Nested policies are refused", {"a": {"b": ["x"]}}, refusal="Filter policy"),
    Row(
        "the body's JSON object",
        body({"a": {"b": [1]}}),
        ({"Message": '{"a": {"b": 1}}'},),
        ({"Message": "text"}, {"Message": "[1]"}),
    ),
    Row("without `wildcard` and `exactly`", field({"wildcard": "*"}), refusal="Unrecognized match type wildcard"),
    Row("5 keys", {name: ["x"] for name in "abcdef"}, refusal="Filter policy"),
    Row(
        "150 combinations",
        {"a": [str(n) for n in range(16)], "b": [str(n) for n in range(10)]},
        refusal="Filter policy is too complex",
    ),
    Row(
        "each value counts once for every\nlevel",
        body({"a": {"b": {"c": [str(n) for n in range(51)]}}}),
        refusal="Filter policy is too complex",
    ),
    Row("`{}` wants every message", {}, (attributes(), {"Message": "x"})),
)


def management() -> list[dict[str, Any]]:
    return [{"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}]


def data(*tests: dict[str, Any]) -> list[dict[str, Any]]:
    given = [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}]
    return [{"FieldSelectors": [*given, *tests]}]


def an_object(arn: str, **members: Any) -> dict[str, Any]:
    return {
        "eventCategory": "Data",
        "eventName": "GetObject",
        "resources": [{"type": "AWS::S3::Object", "ARN": arn}],
    } | members


MANAGEMENT: dict[str, Any] = {
    "eventCategory": "Management",
    "eventName": "CreateUser",
    "eventSource": "iam.amazonaws.com",
}
BUCKET = "arn:aws:s3:::b/"

SELECTORS = (
    Row(
        "Basic and advanced selectors",
        {"ReadWriteType": "WriteOnly"},
        (MANAGEMENT | {"readOnly": False},),
        (MANAGEMENT | {"readOnly": True},),
    ),
    Row("one selector\nor a list of either kind", management()[0], (MANAGEMENT,), (an_object(BUCKET),)),
    Row(
        "Selectors are joined by OR",
        [*management(), *data()],
        (MANAGEMENT, an_object(BUCKET)),
        ({"eventCategory": "Insight"},),
    ),
    Row(
        "are joined by OR, each `Not...` by AND",
        data({"Field": "eventName", "Equals": ["A"], "StartsWith": ["Get"], "NotEndsWith": ["Acl", "Tagging"]}),
        (an_object(BUCKET), an_object(BUCKET, eventName="A")),
        (
            an_object(BUCKET, eventName="GetObjectAcl"),
            an_object(BUCKET, eventName="GetObjectTagging"),
            an_object(BUCKET, eventName="B"),
        ),
    ),
    Row(
        "Matching is case-sensitive",
        data({"Field": "eventName", "Equals": ["getobject", "Get*"]}),
        (),
        (an_object(BUCKET),),
    ),
    Row(
        "passes the negative ones",
        data({"Field": "resources.ARN", "NotStartsWith": ["x"]}),
        (an_object(BUCKET), {"eventCategory": "Data", "resources": [{"type": "AWS::S3::Object"}]}),
        (an_object("xy"),),
    ),
    Row(
        "fails the positive operators",
        data({"Field": "resources.ARN", "StartsWith": [BUCKET]}),
        (an_object(BUCKET + "k"),),
        ({"eventCategory": "Data", "resources": [{"type": "AWS::S3::Object"}]},),
    ),
    Row(
        "the same element of `resources`",
        data({"Field": "resources.ARN", "StartsWith": [BUCKET]}),
        (),
        (
            an_object(
                "arn:other",
                resources=[{"type": "AWS::S3::Object", "ARN": "o"}, {"type": "AWS::S3::Bucket", "ARN": BUCKET}],
            ),
        ),
    ),
    Row(
        "`ARNPrefix`, which `StartsWith` reads",
        data({"Field": "resources.ARN", "StartsWith": [BUCKET]}),
        ({"eventCategory": "Data", "resources": [{"type": "AWS::S3::Object", "ARNPrefix": BUCKET}]},),
        ({"eventCategory": "Data", "resources": [{"type": "AWS::S3::Object", "ARNPrefix": "arn:aws:s3:::c/"}]},),
    ),
    Row(
        "`readOnly` is the boolean",
        data({"Field": "readOnly", "Equals": ["false"]}),
        (an_object(BUCKET, readOnly=False),),
        (an_object(BUCKET, readOnly=True), an_object(BUCKET, readOnly="false"), an_object(BUCKET)),
    ),
    Row(
        "an event without it counts as a write",
        {"ReadWriteType": "WriteOnly"},
        (MANAGEMENT,),
        (MANAGEMENT | {"readOnly": True},),
    ),
)


def sigma(detection: str, condition: str = "s") -> str:
    head = "title: t\nlogsource: {product: aws, service: cloudtrail}\n"
    return f"{head}detection: {{s: {detection}, condition: {condition}}}\n"


SIGMA = (
    Row("nested names with dots", sigma("{a.b: x}"), ({"a": {"b": "x"}},), ({"a": "x"},)),
    Row("are compared without case", sigma("{a: Foo}"), ({"a": "fOO"},), ({"a": "fo"},)),
    Row("`cased` compares as it stands", sigma("{a|cased: Foo}"), ({"a": "Foo"},), ({"a": "foo"},)),
    Row("`*` is any run, `?` one character", sigma("{a: 'f?o*'}"), ({"a": "fxobar"},), ({"a": "fo"},)),
    Row("number or boolean as JSON spells it", sigma("{a: 'true'}"), ({"a": True}, {"a": "TRUE"}), ({"a": 1},)),
    Row("any element counts", sigma("{a.b: 5}"), ({"a": [{"b": 4}, {"b": [5]}]},), ({"a": [{"b": 4}]},)),
    Row(
        "the compact JSON of an object or array",
        sigma("{a|contains: Suspended}"),
        ({"a": {"b": ["Suspended"]}},),
        ({"a": {"b": "x"}},),
    ),
    Row("`field: null` (missing or null)", sigma("{a: null}"), ({}, {"a": None}), ({"a": ""},)),
    Row("`exists: false`", sigma("{a|exists: false}"), ({},), ({"a": None},)),
    Row("what stands under `not`", sigma("{a: x}", "not s"), ({}, {"a": "y"}), ({"a": "x"},)),
    Row("`all`", sigma("{a|contains|all: [x, y]}"), ({"a": "yx"},), ({"a": "x"},)),
    Row("`base64`", sigma("{a|base64: foo}"), ({"a": "Zm9v"},), ({"a": "foo"},)),
    Row("`base64offset`", sigma("{a|base64offset|contains: foobar}"), ({"a": "xZm9vYmFy"},), ({"a": "foobar"},)),
    Row("`cidr`", sigma("{a|cidr: 10.0.0.0/8}"), ({"a": "10.1.1.1"},), ({"a": "11.1.1.1"},)),
    Row("`endswith`", sigma("{a|endswith: X}"), ({"a": "yx"},), ({"a": "xy"},)),
    Row("`fieldref`", sigma("{a|fieldref: b}"), ({"a": "X", "b": "x"},), ({"a": "x", "b": "y"}, {})),
    Row("`gt`, `gte`,\n  `lt`, `lte`", sigma("{a|gte: 5}"), ({"a": 5},), ({"a": 4},)),
    Row("`neq` and what stands under", sigma("{a|neq: x}"), ({"a": "y"}, {}), ({"a": "x"},)),
    Row("any element counts", sigma("{a.b: 1, a.c: 2}"), ({"a": [{"b": 1}, {"c": 2}]},), ({"a": [{"b": 1}]},)),
    Row("the number or boolean as JSON spells it", sigma("{a: 1}"), ({"a": 1}, {"a": "1"}), ({"a": True},)),
    Row("`re` with `i`, `m`, `s`", sigma("{a|re|i: '^fo+$'}"), ({"a": "FOO"},), ({"a": "xfoo"},)),
    Row("`startswith`", sigma("{a|startswith: x}"), ({"a": "Xy"},), ({"a": "yx"},)),
    Row("`wide`", sigma("{a|wide|base64offset|contains: foo}"), ({"a": "ZgBvAG8A"},), ({"a": "Zm9v"},)),
    Row("`windash`", sigma("{a|windash|contains: '-f'}"), ({"a": "/f"}, {"a": "-f"}), ({"a": "f"},)),
    Row(
        "`eventTime|hour|gte: 18`",
        sigma("{eventTime|hour|gte: 18}"),
        ({"eventTime": "2026-01-01T18:00:00Z"},),
        ({"eventTime": "2026-01-01T17:59:00Z"},),
    ),
    Row(
        "`week` (ISO, 1970 to 2099)",
        sigma("{eventTime|week: 1}"),
        ({"eventTime": "2024-12-30T00:00:00Z"},),
        ({"eventTime": "2024-12-29T00:00:00Z"},),
    ),
    Row("whatever it holds, null too", sigma("{a|exists: true}"), ({"a": None}, {"a": {}}), ({},)),
    Row("`expand` (there are no values", sigma("{a|expand: '%x%'}"), refusal=" "),
    Row("`fieldref` with `startswith`", sigma("{a|fieldref|startswith: b}"), refusal=" "),
    Row("that RE2 does not take", sigma("{a|re: '(?=x)'}"), refusal=" "),
    Row("YAML aliases", "title: &t t\nlogsource: {product: aws}\ndetection: {s: {a: *t}, condition: s}\n", refusal=" "),
    Row("compared with every scalar", sigma("['*needle*']"), ({"a": {"b": ["a needle"]}},), ({"needle": 1},)),
    Row(
        "(either may be left out)",
        "title: t\nlogsource: {product: aws}\ndetection: {s: {a: x}, condition: s}\n",
        ({"a": "x"},),
    ),
    Row(
        "for `product: aws`",
        "title: t\nlogsource: {product: windows}\ndetection: {s: {a: x}, condition: s}\n",
        refusal=" ",
    ),
)

PAGES: dict[str, tuple[Language, tuple[Row, ...]]] = {
    "event-patterns.md": ("event-pattern", EVENT_PATTERNS),
    "filter-patterns.md": ("filter-pattern", FILTER_PATTERNS),
    "filter-policies.md": ("filter-policy", FILTER_POLICIES),
    "selectors.md": ("selector", SELECTORS),
    "sigma.md": ("sigma", SIGMA),
}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_is_so(page: str) -> None:
    language, rows = PAGES[page]
    text = (PAGES_FOLDER / page).read_text()
    wrong = [fault for row in rows for fault in faults(language, row)]

    assert [row.quoted for row in rows if row.quoted not in text] == []
    assert wrong == []


def faults(language: Language, row: Row) -> list[tuple[Any, ...]]:
    try:
        rule = read_rule(language, row.rule)
    except InvalidPattern as error:
        return [] if row.refusal and row.refusal in str(error) else [(row.quoted, str(error))]
    if row.refusal:
        return [(row.quoted, "is not refused")]
    found: list[tuple[Any, ...]] = [(row.quoted, "leaves", event) for event in row.picks if not rule.matches(event)]
    return found + [(row.quoted, "picks", event) for event in row.leaves if rule.matches(event)]


@pytest.mark.parametrize(
    ("quoted", "rule", "picks", "leaves"),
    [
        ("joined\nby AND", "Username=bob,EventName=CreateUser", {}, {"eventName": "DeleteUser"}),
        ("case-sensitive", "Username=bob", {}, {"userIdentity": {"type": "IAMUser", "userName": "Bob"}}),
        ("`EventId`", "EventId=1", {"eventID": "1"}, {"eventID": "2"}),
        ("`ReadOnly`", "ReadOnly=true", {"readOnly": True}, {"readOnly": False}),
        ("`ResourceType`", "ResourceType=AWS::IAM::User", {}, {"requestParameters": None}),
        ("`ResourceName`", "ResourceName=al", {}, {"requestParameters": {"userName": "other"}}),
        ("`EventSource`", "EventSource=iam.amazonaws.com", {}, {"eventSource": "s3.amazonaws.com"}),
        ("`AccessKeyId`", "AccessKeyId=AKIA1", {}, {"userIdentity": {"type": "IAMUser"}}),
    ],
)
def test_what_the_page_of_lookup_attributes_says_is_so(
    quoted: str, rule: str, picks: dict[str, Any], leaves: dict[str, Any]
) -> None:
    event = MANAGEMENT | {
        "userIdentity": {"type": "IAMUser", "userName": "bob", "accessKeyId": "AKIA1"},
        "requestParameters": {"userName": "al"},
    }
    asked = read_replay_rule("rule", "lookup-attributes", rule)

    assert quoted in (PAGES_FOLDER / "lookup-attributes.md").read_text()
    assert asked.matches(event | picks, b"")
    assert not asked.matches(event | leaves, b"")


def nested(levels: int) -> str:
    return '{"a":' * levels + "[1]" + "}" * levels


def alternatives(count: int) -> str:
    """A pattern of ``count`` combinations, a multiple of ten: of an ``$or`` of ten and another."""
    names = "abcdefghijklmnopqrstuvwxyz"
    parts = [
        ",".join(f'{{"{name}{names[n % 26]}{names[n // 26]}":[1]}}' for n in range(c))
        for name, c in (("x", 10), ("y", count // 10))
    ]
    return f'{{"d":{{"$or":[{parts[0]}]}},"e":{{"$or":[{parts[1]}]}}}}'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("quoted", "language", "within", "beyond"),
    [
        ("4,096 characters", "event-pattern", '{"a":["' + "x" * 4086 + '"]}', '{"a":["' + "x" * 4087 + '"]}'),
        ("250 levels", "event-pattern", nested(249), nested(260)),
        ("1,000\nalternatives", "event-pattern", alternatives(1_000), alternatives(1_010)),
        ("1,024 characters", "filter-pattern", "x" * 1_024, "x" * 1_025),
        ("256 KiB", "filter-policy", {"a": ["x" * 200_000]}, {"a": ["x" * 263_000]}),
        ("256 Ki characters", "sigma", sigma("{a: x}") + "#" * 200_000, sigma("{a: x}") + "#" * 263_000),
        (
            "100 levels",
            "sigma",
            sigma("{a: x}") + "x: " + "[" * 90 + "]" * 90,
            sigma("{a: x}") + "x: " + "[" * 110 + "]" * 110,
        ),
        (
            "50\nconditions",
            "sigma",
            sigma("{a: x}", f"[{', '.join(['s'] * 50)}]"),
            sigma("{a: x}", f"[{', '.join(['s'] * 51)}]"),
        ),
        ("10,000 comparisons", "sigma", sigma(f"{{a: {[*range(9_999)]}}}"), sigma(f"{{a: {[*range(10_001)]}}}")),
        ("512 characters", "sigma", sigma("{" + "a" * 512 + ": x}"), sigma("{" + "a" * 513 + ": x}")),
        ("30 dots", "sigma", sigma("{" + ".".join("a" * 31) + ": x}"), sigma("{" + ".".join("a" * 32) + ": x}")),
        ("look-around, no back-references", "filter-pattern", "%x%", "%(?=x)%"),
        ("linear\ntime, no look-around", "sigma", sigma("{a|re: '(x+x+)+y'}"), sigma("{a|re: '(?<=x)y'}")),
        ("some 360 names of one letter", "event-pattern", {".".join("a" * 350): [1]}, {".".join("a" * 380): [1]}),
        ("200 of ten", "event-pattern", {".".join(["a" * 10] * 190): [1]}, {".".join(["a" * 10] * 215): [1]}),
    ],
)
def test_every_bound_of_the_overview_is_where_it_is_said_to_be(
    quoted: str, language: Language, within: Any, beyond: Any
) -> None:
    assert quoted in (PAGES_FOLDER / "README.md").read_text()
    read_rule(language, within)
    with pytest.raises(InvalidPattern):
        read_rule(language, beyond)
