"""Panels by what they are about. A board picks from them; each function gives one panel."""
