"""Golden run: digests of everything that the commands write on `samples/`, compared by every refactoring."""
