"""A FastAPI backend on the store, with a web page: `python -m examples.wiki_api`."""
