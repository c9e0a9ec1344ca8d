"""Tests of Spar; run them all with ``make test``."""
