"""What an interrupted validation had found, kept in a file so that the next one goes on from there."""
