"""The interviewer: the interview graph, the model adapters and the grader."""
