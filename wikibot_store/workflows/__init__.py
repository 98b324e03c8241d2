"""What crosses tables: access, lifecycle and sharing."""
