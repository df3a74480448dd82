"""One module a product: what it can express and how it is written."""
