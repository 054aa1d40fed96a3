"""From what a caller sends to numbers: `text`, `columns` and `tokenizer` encode, `preprocessing` chooses among them."""
