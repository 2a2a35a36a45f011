"""Scripts behind make targets."""
