"""Where rules' invocations go (port: targets): one file per technology, and all of them behind one door."""
