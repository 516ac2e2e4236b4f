"""The pages of each command."""
