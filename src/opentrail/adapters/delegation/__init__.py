"""The delegated administrators of an organization."""
