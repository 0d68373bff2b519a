"""From paired differences to verdicts: pure functions, explained in docs/how-verdicts-are-made.md."""
