"""Search over the guide."""

from app.ui import guide

guide.show()
