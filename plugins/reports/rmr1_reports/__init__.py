"""What a run leaves for people: a page, figures, tables."""
