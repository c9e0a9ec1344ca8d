"""The first page."""

from app.ui import home

home.show()
