"""The guide, to be read."""

from app.ui import reading

reading.show()
