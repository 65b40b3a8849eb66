"""What a job is: the spec, its file form and its validation."""
