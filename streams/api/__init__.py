"""The role ``api``: alerts over HTTP, events in, vendors calling back. It reads storage and writes commands."""
