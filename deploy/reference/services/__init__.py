"""The four services of the reference service."""
