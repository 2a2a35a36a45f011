"""Lake tables (port: lake_table). Importing this package loads neither Arrow nor Delta: ``delta`` does, when it is."""
