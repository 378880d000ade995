"""A prediction in words: what a network saw and computed, as a record; a text about it; each sentence checked.

`evidence` makes the record, `words` or a language model writes, `verify` drops what does not follow from the record.
"""
