"""What the service depends on, each a process of its own: bank API, mail server, object store, cache."""
