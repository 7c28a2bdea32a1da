"""A bookshop: a project of one model, whose reads are cached."""
