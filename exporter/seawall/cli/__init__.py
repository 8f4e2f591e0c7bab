"""The ``seawall`` command: generate, serve, receive, describe."""
