"""Past interviews."""

from app.ui import past

past.show()
