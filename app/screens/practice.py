"""The interview."""

from app.ui import practice

practice.show()
