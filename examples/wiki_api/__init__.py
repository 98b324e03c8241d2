"""A FastAPI backend whose handlers await the DAOs: `python -m examples.wiki_api`."""
