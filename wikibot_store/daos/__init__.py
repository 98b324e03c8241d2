"""The doors: one DAO per table, and `admin` for operators. A door checks, documents and delegates."""
