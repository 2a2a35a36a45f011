"""The lake's SQL: a Trino SELECT comes in, checked DuckDB text goes out (reference: lake-and-insights section 2).

``translate`` is the door. Nothing of the statement is passed on as written: each clause, operator and function has an
emitter of its own here, and what has none is refused with the name of what was refused.
"""
