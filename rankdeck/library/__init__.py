"""What a user keeps for later jobs: templates, and workspaces that jobs begin from."""
