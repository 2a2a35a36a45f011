"""Event history on local disk: a durable tail of recent events, and a day's older ones in immutable segment files.

``local`` joins the parts: ``tail_log`` (SQLite, durable) and ``tail`` (memory, searchable) hold what arrived lately,
``segment`` and ``segment_writer`` are the files, ``search`` reads all of them newest first, ``merge_policy`` keeps
files few. Bytes on disk: ``docs/formats/event-history.md``; paths: ``layout``.
"""
