"""Old interfaces on top of a framecache server."""
