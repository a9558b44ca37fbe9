"""The verbs of walks: each is called by views, admin actions and commands alike."""
