"""What a user has set once for all jobs: settings, and where they are kept."""
