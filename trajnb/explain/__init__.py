"""A prediction in words: `evidence` is what a network computed, `words` writes, `verify` checks any text about it."""
