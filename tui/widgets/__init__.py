"""The deck's own widgets: Line-API views that cost nothing while nothing changes."""
