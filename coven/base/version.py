"""The version of Coven, also in setup.cfg."""

VERSION = "0.1.0"
