"""Cases, rubrics and the searchable corpus that the interviewer draws on."""
