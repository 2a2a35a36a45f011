"""Key rings: our own, over the key store."""
