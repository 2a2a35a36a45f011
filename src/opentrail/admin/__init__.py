"""What the operator does from the command line: users, keys, roles, archives. The same code runs inside a server that
holds the home (over its control socket) and in a command that opened the home itself."""
