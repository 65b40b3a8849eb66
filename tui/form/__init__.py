"""What the form that describes a job knows, apart from its widgets: texts, starts, findings."""
