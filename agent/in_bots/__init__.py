"""What runs inside the processes of bots, by file and never by import: the standard library alone, nothing of ours."""
