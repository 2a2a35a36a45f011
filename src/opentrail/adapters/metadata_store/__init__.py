"""metadata_store."""
