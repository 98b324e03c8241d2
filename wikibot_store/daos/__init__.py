"""One data access object per table: its access patterns in the domain's words."""

from wikibot_store.daos.acls import AclDao
from wikibot_store.daos.users import UserDao
from wikibot_store.daos.wikis import WikiDao

__all__ = ["AclDao", "UserDao", "WikiDao"]
