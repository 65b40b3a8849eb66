"""The Textual application: screens, widgets, styles. Talks to rankdeck only."""
