"""Benchmarks of the interviewer, the grader and the search."""
