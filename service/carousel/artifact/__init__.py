"""One version on disk: its signature, manifest and golden answers, and where it stands in a repository."""
