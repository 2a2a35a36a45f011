"""The functions that a statement may call: an allow-list. Whatever is not here is refused by name."""

from opentrail.lakesql.functions.collections import ARRAYS, MAPS
from opentrail.lakesql.functions.documents import DOCUMENTS
from opentrail.lakesql.functions.groups import GROUPS
from opentrail.lakesql.functions.numbers import NUMBERS
from opentrail.lakesql.functions.signature import Function
from opentrail.lakesql.functions.strings import STRINGS
from opentrail.lakesql.functions.times import TIMES

SECTIONS: dict[str, tuple[Function, ...]] = {
    "Strings, URLs and bytes": STRINGS,
    "Days and times": TIMES,
    "Numbers": NUMBERS,
    "Arrays": ARRAYS,
    "Maps": MAPS,
    "JSON": DOCUMENTS,
    "Groups and windows": GROUPS,
}
"""Every form of every allowed function, under the heading that the documentation gives it."""

FORMS: dict[str, list[Function]] = {}
for _section in SECTIONS.values():
    for _form in _section:
        FORMS.setdefault(_form.name, []).append(_form)

__all__ = ["FORMS", "SECTIONS", "Function"]
