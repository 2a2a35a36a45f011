"""Logs from elsewhere: what lies at a source, how each file is read whatever its form, and what becomes of it.

Goes in: a bucket or folder with log files of CloudTrail. Comes out: records for an event data store's table, and what
could not be read, by object and place. Nothing of it passes the journal, so no rule, alarm, Insight or trail sees it.
"""
