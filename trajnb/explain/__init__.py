"""A prediction in words: `evidence` records what a network computed, `words` writes, `verify` checks a text about it."""
