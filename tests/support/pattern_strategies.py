"""Random JSON values and random predicates over the same few names and texts, so that they often meet."""

from hypothesis import strategies as st

from opentrail.pattern.ir import (
    And,
    AnyChild,
    AnyElement,
    AnyLeaf,
    Field,
    LeafCondition,
    Leaves,
    Not,
    Or,
    Predicate,
    SameText,
)
from opentrail.pattern.values import (
    AllTests,
    AnythingAsText,
    Compare,
    CompareInteger,
    Contains,
    EndsWith,
    Folded,
    Glob,
    Is,
    NoTest,
    NumbersAsText,
    OfKind,
    Search,
    SomeTest,
    StartsWith,
    Test,
    TextIn,
    Wild,
    same_address,
)

NAMES = ("a", "b", "c", "a.b")
TEXTS = ("", "x", "xy", "yx", "X", "true", "null", "1", "1.0", "10.0.0.1", "::1")
NUMBERS = (0, 1, 1.0, -1.5, 2**53, 2**53 + 1)

scalars = st.none() | st.booleans() | st.sampled_from(NUMBERS) | st.sampled_from(TEXTS)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)
events = st.dictionaries(st.sampled_from(NAMES), values, max_size=3)
names = st.lists(st.sampled_from(("a", "b", "c")), min_size=1, max_size=3).map(tuple)
paths = st.lists(st.sampled_from(NAMES) | st.integers(0, 1), max_size=3).map(tuple)

texts = st.lists(st.sampled_from(TEXTS), max_size=3)
operators = st.sampled_from(("=", "<", "<=", ">", ">="))
text_tests: st.SearchStrategy[Test] = st.one_of(
    st.builds(TextIn, texts.map(frozenset)),
    st.builds(StartsWith, texts.map(tuple)),
    st.builds(EndsWith, texts.map(tuple)),
    st.builds(Contains, texts.map(tuple)),
    st.builds(Glob, st.lists(st.sampled_from((*TEXTS[1:4], Wild.RUN, Wild.ONE)), max_size=4).map(tuple)),
    st.builds(Search, st.sampled_from(("x", "^x", "y$", "[0-9]+", "x|1", "^$"))),
    st.sampled_from([found for text in TEXTS if (found := same_address(text)) is not None]),
)
plain_tests: st.SearchStrategy[Test] = st.one_of(
    text_tests,
    st.builds(Is, st.sampled_from((True, False, None))),
    st.builds(OfKind, st.frozensets(st.sampled_from(("string", "number", "boolean", "null", "array", "object")))),
    st.builds(Compare, operators, st.sampled_from(NUMBERS).map(float)),
    st.builds(CompareInteger, operators, st.sampled_from([n for n in NUMBERS if isinstance(n, int)])),
    st.builds(Folded, text_tests),
    st.builds(NumbersAsText, text_tests),
    st.builds(AnythingAsText, text_tests),
)
tests: st.SearchStrategy[Test] = st.recursive(
    plain_tests,
    lambda inner: st.one_of(
        st.builds(AllTests, st.lists(inner, max_size=2).map(tuple)),
        st.builds(SomeTest, st.lists(inner, max_size=2).map(tuple)),
        st.builds(NoTest, inner),
    ),
    max_leaves=4,
)
conditions = st.builds(LeafCondition, names, tests, st.booleans())
leaves: st.SearchStrategy[Predicate] = st.one_of(
    st.builds(Field, paths, tests),
    st.builds(Leaves, st.lists(conditions, min_size=1, max_size=3).map(tuple)),
    st.builds(AnyLeaf, tests),
    st.builds(SameText, paths, paths),
)


def _combine(inner: st.SearchStrategy[Predicate]) -> st.SearchStrategy[Predicate]:
    parts = st.lists(inner, max_size=4).map(tuple)
    return st.one_of(
        st.builds(And, parts),
        st.builds(Or, parts),
        st.builds(Not, inner),
        st.builds(AnyElement, paths, inner),
        st.builds(AnyChild, paths, inner),
    )


predicates: st.SearchStrategy[Predicate] = st.recursive(leaves, _combine, max_leaves=8)
