"""One check a file: the facts that it judges, and the judgement, which is pure."""
