"""A FastAPI backend on the store, with a page for people to look at: `python -m examples.wiki_api`."""
