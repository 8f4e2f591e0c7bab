"""The demo: real servers around the reference service, an outage played on the wire, promises checked."""
