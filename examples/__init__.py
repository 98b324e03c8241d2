"""Programs that use wikibot_store as its users would."""
