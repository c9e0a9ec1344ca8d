"""The candidate's own rating, then the report."""

from app.ui import review

review.show()
