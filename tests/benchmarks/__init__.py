"""Speed, always as a ratio of two things measured in turn in one process; run by hand, never by CI."""
